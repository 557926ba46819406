"""The text encoders of VSE-infinity: the words of a caption become one embedding of length 1.

bert   BERT's last states, [CLS] and [SEP] included, mapped and pooled; BERT learns with the rest
bigru  word vectors through a GRU, there and back, whose states are averaged and pooled
Captions are ids (B, T), 0 behind the last word. A word of BERT is one of its pieces.
Source: Chen et al., CVPR 2021, and its published code; Devlin et al., NAACL 2019 (BERT).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import BertConfig, BertModel

from hoitool.models.vse_images import pooled
from hoitool.models.weights import KeyMap
from hoitool.nn.gpo import GPO

# BERT's own weights under the names of any version of transformers, without its heads
BERT: KeyMap = (
    (r"(?:bert\.)?embeddings\.position_ids|(?:bert\.)?pooler\..+|cls\..+", None),
    (r"(?:bert\.)?((?:embeddings|encoder)\..+\.LayerNorm|embeddings\.LayerNorm)\.gamma", r"\1.weight"),
    (r"(?:bert\.)?((?:embeddings|encoder)\..+\.LayerNorm|embeddings\.LayerNorm)\.beta", r"\1.bias"),
    (r"(?:bert\.)?((?:embeddings|encoder)\..+)", r"\1"),
)


class Bert(nn.Module):
    """Captions by BERT."""

    def __init__(self, config: BertConfig, dim: int) -> None:
        """dim: numbers of the embedding."""
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)
        self.linear = nn.Linear(config.hidden_size, dim)
        self.gpool = GPO()

    def forward(self, captions: Tensor) -> Tensor:
        """(B, dim) of length 1, of captions (B, T) int64. Raises DataError for one without words."""
        there = captions != 0
        states = self.bert(captions, attention_mask=there.long()).last_hidden_state  # (B, T, hidden)
        return pooled(self.gpool, self.linear(states), there)


class BiGRU(nn.Module):
    """Captions by word vectors and a GRU."""

    def __init__(self, vocabulary: int, words: int, dim: int) -> None:
        """vocabulary: how many ids there are; words: numbers of a word vector; dim: of the embedding."""
        super().__init__()
        self.embed = nn.Embedding(vocabulary, words)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        self.rnn = nn.GRU(words, dim, 1, batch_first=True, bidirectional=True)
        self.gpool = GPO()

    def forward(self, captions: Tensor) -> Tensor:
        """(B, dim) of length 1, of captions (B, T) int64. Raises DataError for one without words."""
        there = captions != 0
        lengths = there.sum(1).clamp(min=1)  # pooling tells of a caption without words
        with torch.autocast(captions.device.type, enabled=False):
            packed = pack_padded_sequence(self.embed(captions), lengths.cpu(), batch_first=True, enforce_sorted=False)
            states, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=captions.shape[1])
        forth, back = states.chunk(2, dim=-1)  # (B, T, dim)
        return pooled(self.gpool, (forth + back) / 2, there)
