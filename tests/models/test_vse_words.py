"""Captions as ids: BERT's pieces as transformers has them, whole words, and what is wrong with a vocabulary."""

from __future__ import annotations

import json
import pickle

import pytest

pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from tiny_texts import save_bert

from hoitool.errors import DataError, MissingData
from hoitool.models.vse_words import FILE, LONGEST, PIECES, WHOLE, read_words, words_of

CAPTIONS = ["A person riding a bicycle.", "Persons rid  the motorcycle, EATING an apple!", "café's ünknown cups"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("caption", CAPTIONS)
def test_pieces_are_those_of_transformers(bert, caption):
    from transformers import AutoTokenizer

    words = read_words(bert)
    assert words.special is PIECES
    assert words.ids(caption) == AutoTokenizer.from_pretrained(bert)(caption)["input_ids"]


def test_a_word_keeps_its_pieces_together(bert):
    words = read_words(bert)
    told = [[words.tokens[i] for i in pieces] for pieces in words.split("a person rides eating")]
    assert told == [["a"], ["person"], ["rid", "##e", "##s"], ["eating"]]


def test_whole_words_are_those_that_are_frequent():
    words = words_of(["a dog, a cat", "A Dog runs", "the dog"], least=2)
    assert words.tokens == (*vars(WHOLE).values(), "a", "dog")
    assert words.ids("The DOG.") == [2, 1, 6, 1, 3]
    assert words.split("a dog") == [[5], [6]]
    assert words.mask == 4


def test_they_come_back_from_their_folder_and_from_another_process(tmp_path):
    words = words_of(CAPTIONS, 1)
    words.write(tmp_path)
    assert read_words(tmp_path).tokens == read_words(tmp_path / FILE).tokens == words.tokens
    words.ids(CAPTIONS[0])
    assert pickle.loads(pickle.dumps(words)).ids(CAPTIONS[1]) == words.ids(CAPTIONS[1])


def test_a_vocabulary_of_scan_gets_the_token_of_hidden_words(tmp_path):
    ids = {token: i for i, token in enumerate(["<pad>", "<start>", "<end>", "<unk>", "dog", "a"])}
    (tmp_path / "v.json").write_text(json.dumps({"word2idx": ids, "idx2word": {}, "idx": 6}))
    words = read_words(tmp_path / "v.json")
    assert words.ids("a dog") == [1, 5, 4, 2]
    assert words.mask == 6


def test_a_caption_without_words_and_one_without_end_have_ids():
    words = words_of(["a"], 1)
    assert words.ids("") == [2, 3]
    assert len(words.ids("a " * 2000)) == LONGEST


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("v.txt", "a\ndog\n", "no <pad>"),
        ("v.txt", "<unk>\n<pad>\n<start>\n<end>\n<mask>\n", "its first token is '<unk>'"),
        ("v.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", r"no \[MASK\]"),
        ("v.txt", "<pad>\n<unk>\n<start>\n<end>\n<mask>\na\na\n", "'a' stands twice"),
        ("v.txt", "", "empty"),
        ("v.json", "[1, 2]", "expected an object"),
        ("v.json", '{"word2idx": {"<pad>": 0, "a": 7}}', "expected ids 0, 1, ..."),
        ("v.json", '{"word2idx": [1]}', "expected ids 0, 1, ..."),
        ("v.json", '{"model": 3}', "expected ids 0, 1, ..."),
        ("v.json", '{"word2idx": {"<pad>": "x"}}', "expected ids 0, 1, ..."),
    ],
)
def test_what_is_no_vocabulary_is_said_in_one_line(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=f"^[^\n]*{name}[^\n]*{told}[^\n]*$"):
        read_words(tmp_path / name)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="v.txt"):
        read_words(tmp_path / "v.txt")
    with pytest.raises(MissingData, match="nowhere"):
        read_words(tmp_path / "nowhere.txt")
