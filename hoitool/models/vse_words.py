"""Captions as ids, for the text encoders of VSE-infinity: pieces of words as BERT has them, or whole words.

A caption is split as BERT does it: lower case, without accents, at spaces and around punctuation. An id is a place in
the vocabulary, which lies beside model.json: vocabulary.txt, a token a line. Which tokens are special says what kind it
is:
    pieces  [PAD] [UNK] [CLS] [SEP] [MASK]     the published BERT's; a caption stands between [CLS] and [SEP]
    words   <pad> <start> <end> <unk> <mask>   of training captions, or SCAN's; between <start> and <end>
Padding has the id 0. Source: Devlin et al., NAACL 2019 (BERT); Chen et al., CVPR 2021, and its published code, whose
whole words NLTK splits: there a contraction (don't) falls into other parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from hoitool.errors import DataError
from hoitool.files import load_json, reading, require, write_text

FILE, WHAT = "vocabulary.txt", "a vocabulary of captions"
LONGEST = 512  # ids of a caption, as many as BERT has positions; what is behind is cut off


@dataclass(frozen=True)
class Special:
    """Tokens that are no words: padding, an unknown word, before and behind a caption, in place of a hidden word."""

    pad: str
    unknown: str
    start: str
    end: str
    mask: str


PIECES = Special("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WHOLE = Special("<pad>", "<unk>", "<start>", "<end>", "<mask>")


@dataclass(frozen=True, eq=False)
class Words:
    """A vocabulary: its tokens by their ids. Raises DataError for one that lacks a special token or has one twice."""

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.id_of) < len(self.tokens):
            twice = Counter(self.tokens).most_common(1)[0][0]
            raise DataError(f"{WHAT}: the token {twice!r} stands twice, expected each once")
        lacking = [token for token in vars(self.special).values() if token not in self.id_of]
        if lacking or self.tokens[0] != self.special.pad:
            told = f"no {lacking[0]}" if lacking else f"its first token is {self.tokens[0]!r}"
            raise DataError(
                f"{WHAT}: {told}; expected {' '.join(vars(self.special).values())}, the first of them first"
            )

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self.tokens)

    @cached_property
    def id_of(self) -> dict[str, int]:
        """The id of each token."""
        return {token: i for i, token in enumerate(self.tokens)}

    @property
    def special(self) -> Special:
        """BERT's special tokens, or those of whole words."""
        return PIECES if PIECES.start in self.id_of else WHOLE

    @property
    def mask(self) -> int:
        """The id of what stands for a hidden word."""
        return self.id_of[self.special.mask]

    def split(self, caption: str) -> list[list[int]]:
        """The ids of each word's pieces; a whole word is one."""
        made = self._tokenizer.encode(caption, add_special_tokens=False)
        pairs = zip(made.word_ids, made.ids, strict=True)
        return [[piece for _, piece in held] for _, held in groupby(pairs, key=lambda pair: pair[0])]

    def ids(self, caption: str) -> list[int]:
        """The ids of a caption, with what stands before and behind it."""
        return self.framed([piece for word in self.split(caption) for piece in word])

    def framed(self, ids: list[int]) -> list[int]:
        """Ids between those of the start and of the end, LONGEST at most."""
        return [self.id_of[self.special.start], *ids[: LONGEST - 2], self.id_of[self.special.end]]

    def write(self, folder: Path) -> None:
        """Write vocabulary.txt."""
        write_text(folder / FILE, "\n".join(self.tokens) + "\n")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        kind = models.WordPiece if self.special is PIECES else models.WordLevel
        made = Tokenizer(kind(self.id_of, unk_token=self.special.unknown))
        made.normalizer = normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return made


def read_words(path: Path) -> Words:
    """The vocabulary of a file: a token a line, or JSON as SCAN or Hugging Face write it; or of a folder of BERT.

    Raises MissingData, and DataError naming the file.
    """
    if path.is_dir():
        found = [path / name for name in (FILE, "vocab.txt", "tokenizer.json") if (path / name).is_file()]
        path = found[0] if found else path / FILE
    held = _of_json(path) if path.suffix == ".json" else _of_lines(path)
    try:
        return Words(tuple(held))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def words_of(captions: Iterable[str], least: int) -> Words:
    """The vocabulary of whole words that stand in captions at least so often, the most frequent first."""
    normalise, split = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts = Counter(
        word for caption in captions for word, _ in split.pre_tokenize_str(normalise.normalize_str(caption))
    )
    kept = sorted((word for word, count in counts.items() if count >= least), key=lambda word: (-counts[word], word))
    return Words((*vars(WHOLE).values(), *kept))


def _of_lines(path: Path) -> list[str]:
    with reading(require(path, WHAT), WHAT):
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n")


def _of_json(path: Path) -> list[str]:
    """The tokens in the order of their ids; SCAN's files lack the token of hidden words, which comes last."""
    held = load_json(path, WHAT, dict)
    scan = held.get("word2idx")
    model = held.get("model")
    ids = scan if scan is not None else model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(ids, dict) or sorted(map(str, ids.values())) != sorted(map(str, range(len(ids)))):
        raise DataError(f"{path}: expected ids 0, 1, ... of words as 'word2idx' (SCAN) or 'model', 'vocab' ({WHAT})")
    tokens = sorted(ids, key=lambda token: int(ids[token]))
    return tokens if scan is None or WHOLE.mask in ids else [*tokens, WHOLE.mask]
