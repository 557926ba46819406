"""Tiny text models of Hugging Face in a folder, made here: real architectures, random weights, real tokenizers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers.utils import logging

WORDS = ["a", "photo", "of", "the", "person", "rid", "##e", "##ing", "##s", "riding", "bicycle", "motorcycle"]
WORDS += ["eat", "eating", "apple", "hold", "holding", "cup"]
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")


def save_bert(folder: Path, pooler: bool = True, safe: bool = True, positions: int = 16) -> Path:
    """BERT with lower-cased word pieces; 16 positions."""
    vocabulary = {word: i for i, word in enumerate(BERT_SPECIAL + WORDS)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    save_tokenizer(made, folder, dict(zip(ROLES, BERT_SPECIAL, strict=True)))
    config = transformers.BertConfig(vocab_size=len(vocabulary), max_position_embeddings=positions, **SIZES)
    save(transformers.BertModel(config, add_pooling_layer=pooler), folder, safe)
    return folder


def words_alone(vocabulary: dict[str, int]) -> Tokenizer:
    """A token for each word, and no special ones around them."""
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


def save_roberta(folder: Path) -> Path:
    """RoBERTa with words; 18 positions, of which two are before the first token's. No pooler, as published."""
    vocabulary = {word: i for i, word in enumerate(ROBERTA_SPECIAL + WORDS)}
    made = words_alone(vocabulary)
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    save_tokenizer(made, folder, special)
    config = transformers.RobertaConfig(
        vocab_size=len(vocabulary), max_position_embeddings=18, pad_token_id=1, bos_token_id=0, eos_token_id=2, **SIZES
    )
    save(transformers.RobertaModel(config, add_pooling_layer=False), folder, safe=True)
    return folder


def save_tokenizer(made: Tokenizer, folder: Path, special: dict[str, str]) -> None:
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)


def save(model: torch.nn.Module, folder: Path, safe: bool) -> None:
    """Weights drawn the same each time, and wider than usual so that texts differ; in the older way unless `safe`."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    logging.enable_progress_bar()
    if not safe:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")


def state_pooling(folder: Path, **modes: bool) -> None:
    """What sentence-transformers writes beside a model."""
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
