"""The texts of labels: golden wording, published prompts, and what holds for every set, label space and kind."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels import LABEL_SPACES, build, load_labels
from hoitool.labels.prompts import PROMPT_SETS, load_prompts, parse
from hoitool.labels.texts import KINDS, lines_of, texts_of

HICO, V_COCO = load_labels("hico"), load_labels("v-coco")
CASES = [
    (name, space, kind)
    for name in PROMPT_SETS
    for space in LABEL_SPACES
    for kind in KINDS
    if load_labels(space).roles or kind not in ("actions", "agents+roles")
    if len(load_labels(space)) or kind not in ("interactions", "verbs")
]
OWN_ARTICLES = {"gen-vlkt", "clip-7", "clip-ensemble"}  # as published, which is not always English
WORD = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=6)


def wording(space, kind, name, *keys):
    """The first text of each label named, in a packaged set."""
    texts = texts_of(space, kind, [load_prompts(name)])
    first = dict(zip((texts.key[i] for i in texts.label[texts.heads]), texts.heads, strict=True))
    return [texts.text[first[key]] for key in keys]


# golden


@pytest.mark.parametrize(
    ("name", "ride", "carry", "none"),
    [
        (
            "photo",
            "a photo of a person riding a bicycle",
            "a photo of a person carrying an umbrella",
            "a photo of a person and a bicycle",
        ),
        (
            "gen-vlkt",
            "a photo of a person riding a bicycle",
            "a photo of a person carrying a umbrella",
            "a photo of a person and a bicycle",
        ),
        ("plain", "a person rides a bicycle", "a person carries an umbrella", "a person and a bicycle"),
        ("bare", "ride bicycle", "carry umbrella", "no interaction bicycle"),
        ("defr", "a person ride the bicycle", "a person carry the umbrella", "a person and bicycle"),
        (
            "clip-7",
            "itap of a person riding a bicycle.",
            "itap of a person carrying an umbrella.",
            "itap of a person and a bicycle.",
        ),
        (
            "clip-ensemble",
            "a bad photo of a person riding a bicycle.",
            "a bad photo of a person carrying an umbrella.",
            "a bad photo of a person and a bicycle.",
        ),
    ],
)
def test_interactions_of_hico(name, ride, carry, none):
    keys = ("ride bicycle", "carry umbrella", "no_interaction bicycle")
    assert wording(HICO, "interactions", name, *keys) == [ride, carry, none]


@pytest.mark.parametrize(
    ("space", "kind", "name", "key", "expected"),
    [
        (HICO, "verbs", "photo", "ride", "a photo of a person riding something"),
        (HICO, "verbs", "photo", "no_interaction", "a photo of a person and something"),
        (HICO, "verbs", "plain", "dry", "a person dries something"),
        (HICO, "verbs", "bare", "no_interaction", "no interaction"),
        (HICO, "verbs", "defr", "hop_on", "a person hop on something"),
        (HICO, "objects", "photo", "scissors", "a photo of a pair of scissors"),
        (HICO, "objects", "plain", "broccoli", "some broccoli"),
        (HICO, "objects", "clip-7", "airplane", "itap of a airplane."),
        (HICO, "objects", "defr", "cell_phone", "cell phone"),
        (HICO, "objects+nothing", "photo", "nothing", "a photo of nothing"),
        (HICO, "interactions", "plain", "cut_with scissors", "a person cuts with a pair of scissors"),
        (V_COCO, "interactions", "photo", "hit_instr baseball bat", "a photo of a person hitting with a baseball bat"),
        (V_COCO, "interactions", "plain", "sit_instr", "a person sits on something"),
        (V_COCO, "interactions", "photo", "smile", "a photo of a person smiling"),
        (V_COCO, "interactions", "bare", "hold_obj cup", "hold cup"),
        (V_COCO, "verbs", "plain", "lay_instr", "a person lies on something"),
        (V_COCO, "verbs", "plain", "stand", "a person stands"),
        (V_COCO, "actions", "photo", "hit", "a photo of a person hitting"),
        (V_COCO, "actions", "photo", "talk_on_phone", "a photo of a person talking on a phone"),
        (V_COCO, "actions", "plain", "work_on_computer", "a person works on a computer"),
        (V_COCO, "agents+roles", "plain", "hold_agent", "a person holds"),
        (V_COCO, "agents+roles", "plain", "hold_obj", "a person holds something"),
    ],
)
def test_other_kinds(space, kind, name, key, expected):
    assert wording(space, kind, name, key) == [expected]


def test_attributes_stand_before_the_object_and_alone():
    texts = texts_of(HICO, "objects", [load_prompts("photo")], ["red", "orange"])
    car, skis = HICO.object_index("car"), HICO.object_index("skis")
    assert len(texts) == 80 + 80 * 2 + 2
    of = {(int(k), int(a)): text for k, a, text in zip(texts.label, texts.attribute, texts.text, strict=True)}
    assert of[car, -1] == "a photo of a car"
    assert of[car, 1] == "a photo of an orange car"
    assert of[skis, 0] == "a photo of a pair of red skis"
    assert of[-1, 0] == "a photo of something red"


def test_attributes_in_interactions_with_and_without_an_object():
    texts = texts_of(V_COCO, "interactions", [load_prompts("photo")], ["red"])
    found = {texts.key[k]: t for k, a, t in zip(texts.label, texts.attribute, texts.text, strict=True) if a == 0 <= k}
    assert found["ride_instr bicycle"] == "a photo of a person riding a red bicycle"
    assert found["sit_instr"] == "a photo of a person sitting on something red"
    assert "smile" not in found


def test_attributes_without_combinations_are_as_many_texts_as_both_vocabularies():
    texts = texts_of(HICO, "objects", [load_prompts("photo")], ["red", "orange"], combinations=False)
    assert len(texts) == 80 + 2
    assert texts.text[80:] == ("a photo of something red", "a photo of something orange")
    assert texts.attributes == ("red", "orange")


def test_nothing_takes_no_attribute():
    texts = texts_of(HICO, "objects+nothing", [load_prompts("photo")], ["red"])
    assert not ((texts.label == 80) & (texts.attribute == 0)).any()


# published prompts


@pytest.fixture(scope="module")
def published(shared):
    """GEN-VLKT's and HOICLIP's prompts of interactions and objects, decoded from their token ids."""
    tokenizer = pytest.importorskip("open_clip").tokenizer.SimpleTokenizer()
    load_file = pytest.importorskip("safetensors.numpy").load_file
    held = load_file(shared("parity/hoiclip/clip_text_tower.safetensors"))
    ends = {0, tokenizer.sot_token_id, tokenizer.eot_token_id}
    return {
        name: [tokenizer.decode([t for t in row if t not in ends]).strip() for row in held[f"in/{name}"].tolist()]
        for name in ("hoi_token_ids", "object_token_ids")
    }


def test_gen_vlkt_s_600_interactions(published):
    assert list(texts_of(HICO, "interactions", [load_prompts("gen-vlkt")]).text) == published["hoi_token_ids"]


def test_gen_vlkt_s_80_objects_and_nothing(published):
    """The authors' order is COCO's."""
    order = [*np.argsort(HICO.coco_ids), 80]
    texts = texts_of(HICO, "objects+nothing", [load_prompts("gen-vlkt")]).text
    assert [texts[i] for i in order] == published["object_token_ids"]


# what always holds


@pytest.mark.parametrize(("name", "space", "kind"), CASES)
def test_every_label_has_every_text(name, space, kind):
    prompts = load_prompts(name)
    texts = texts_of(load_labels(space), kind, [prompts])
    n, t = len(texts.key), len(prompts.templates)
    np.testing.assert_array_equal(texts.label, np.repeat(np.arange(n), t))
    np.testing.assert_array_equal(texts.template, np.tile(np.arange(t), n))
    np.testing.assert_array_equal(texts.ensemble, texts.label)
    assert (texts.part == 0).all() and (texts.attribute == -1).all()
    assert len(set(texts.key)) == n
    for text in texts.text:
        assert re.fullmatch(r"[A-Za-z]([^_{}]*\S)?", text) and "  " not in text


@pytest.mark.parametrize(("name", "space", "kind"), [case for case in CASES if case[0] not in OWN_ARTICLES])
def test_articles_agree_with_what_follows(name, space, kind):
    for text in texts_of(load_labels(space), kind, [load_prompts(name)]).text:
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|\ba (scissors|skis|broccoli)\b", text)


@given(
    objects=st.lists(WORD, min_size=1, max_size=4, unique=True),
    attributes=st.lists(WORD, max_size=3, unique=True),
    names=st.lists(st.sampled_from(["photo", "plain", "bare", "clip-7"]), min_size=1, unique=True),
)
def test_columns_agree_whatever_the_labels(objects, attributes, names):
    space = build("drawn", "", [(o, -1) for o in objects], [("see", "seeing")], [("see", o, -1) for o in objects])
    sets = [load_prompts(name) for name in names]
    texts = texts_of(space, "interactions", sets, attributes)
    n, a = len(objects), len(attributes)
    assert len(texts) == sum(len(prompts.templates) for prompts in sets) * (n + n * a + a)
    for column in (texts.label, texts.part, texts.template, texts.attribute):
        assert column.shape == (len(texts),) and column.dtype == np.int32
    rows = np.stack([texts.label, texts.part, texts.attribute], axis=1)
    assert len(np.unique(rows, axis=0)) == len(texts.heads)  # ensembles stand together and are distinct
    np.testing.assert_array_equal(rows, rows[texts.heads][texts.ensemble])
    for text, label, attribute in zip(texts.text, texts.label, texts.attribute, strict=True):
        assert label < 0 or objects[label] in text
        assert attribute < 0 or attributes[attribute] in text


def test_the_hash_tells_texts_apart():
    photo, plain = load_prompts("photo"), load_prompts("plain")
    texts = [texts_of(HICO, "objects", sets) for sets in ([photo], [plain], [photo, plain], [plain, photo])]
    assert len({t.hash for t in texts}) == 4
    assert texts_of(HICO, "objects", [photo]).hash == texts[0].hash


# refused


def test_what_cannot_be_meant_is_refused():
    photo = load_prompts("photo")
    with pytest.raises(UsageError, match="No kind of labels named 'objekts'. Did you mean 'objects'"):
        texts_of(HICO, "objekts", [photo])
    with pytest.raises(UsageError, match="label space 'hico' has no actions, but it has verbs and objects"):
        texts_of(HICO, "actions", [photo])
    with pytest.raises(UsageError, match="no prompt set given"):
        texts_of(HICO, "objects", [])
    with pytest.raises(UsageError, match="prompt set 2 of 2: expected a name of its own, came 'photo'"):
        texts_of(HICO, "objects", [photo, photo])
    with pytest.raises(UsageError, match="attribute 2 of 2: expected a name of its own, came 'red'"):
        texts_of(HICO, "objects", [photo], ["red", " red_"])
    own = parse('name: own\ntemplates: ["{phrase}"]\nphrases: {object: "{object}"}', "own.yaml")
    with pytest.raises(UsageError, match="set 'own' has no phrase 'attribute'"):
        texts_of(HICO, "objects", [own], ["red"])


# lines


def test_lines_are_their_own_texts(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes("\ufeffa red car\r\n\r\n  una bicicleta {x} \n\na red car\n\u2028kept\u2028in one\n".encode())
    texts = lines_of(path)
    assert texts.key == texts.text == ("a red car", "una bicicleta {x}", "kept\u2028in one")
    assert texts.parts == ("line",)
    np.testing.assert_array_equal(texts.label, [0, 1, 2])


def test_lines_in_a_prompt_set(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("a red car\na dog")
    assert lines_of(path, [load_prompts("photo")]).text == ("a photo of a red car", "a photo of a dog")
    own = parse('name: own\ntemplates: ["{phrase}", "{phrase}!"]\nphrases: {line: "see {line}"}', "own.yaml")
    assert lines_of(path, [own]).text == ("see a red car", "see a red car!", "see a dog", "see a dog!")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "blank lines only"),
        (b"a cat\na \x00 dog\n", "lines.txt, line 2: holds the character U.0000"),
        (b"caf\xe9\n", r"not readable as lines of text \(UTF"),
    ],
)
def test_lines_that_are_none(tmp_path, content, told):
    path = tmp_path / "lines.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        lines_of(path)


def test_lines_of_no_file(tmp_path):
    with pytest.raises(MissingData, match="no such file"):
        lines_of(tmp_path / "lines.txt")


# the page


def test_the_page_says_what_the_sets_say():
    page = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text()
    for name in PROMPT_SETS:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        for text in wording(HICO, "interactions", name, "carry umbrella", "no_interaction umbrella"):
            assert f"`{text}`" in row
    own = parse(re.search(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[1], "docs/prompts.md")
    texts = texts_of(HICO, "interactions", [own]).text
    for line in re.search(r"```text\n(.*?)```", page, flags=re.DOTALL)[1].splitlines():
        assert line in texts
