"""The little English that label texts need: a or an, pairs and masses, the third person, words for underscores.

The article goes by sound, as far as spelling tells it: an umbrella, a unicycle, an hour. Nouns are singular, apart from
the few that English counts in pairs (a pair of scissors) or not at all (some broccoli).
"""

from __future__ import annotations

import re

# spelled with a vowel and spoken with a consonant, and the other way round
SPOKEN_Y_OR_W = re.compile(r"(eu|ewe|one\b|once\b|ufo\b|uk|ubi|ur[aei]|us[aeu]|ut[eio]|uni(?!n|m|d))", re.IGNORECASE)
SILENT_H = re.compile(r"(hour|honest|honou?r|heir|x-ray)", re.IGNORECASE)
# fmt: off
IN_PAIRS = {
    "binoculars", "glasses", "goggles", "headphones", "jeans", "pants", "pliers", "scissors", "shorts", "skis",
    "sunglasses", "tongs", "trousers", "tweezers",
}
# fmt: on
UNCOUNTED = {"bread", "broccoli", "food", "fruit", "grass", "hair", "rice", "snow", "water"}
PRONOUNS = {"nothing", "something"}
IRREGULAR = {"be": "is", "have": "has"}


def words(name: str) -> str:
    """A name as words: `sports_ball` is sports ball."""
    return " ".join(name.replace("_", " ").split())


def article(phrase: str) -> str:
    """`a` or `an`, by how the first word of a phrase is spoken."""
    if SILENT_H.match(phrase):
        return "an"
    return "an" if phrase[:1].lower() in set("aeiou") and not SPOKEN_Y_OR_W.match(phrase) else "a"


def article_by_letter(phrase: str, letters: str) -> str:
    """`an` before one of the letters, `a` before any other: the rule of thumb of published code."""
    return "an" if phrase[:1].lower() in set(letters) else "a"


def described(noun: str, attribute: str = "") -> str:
    """The noun with an attribute in front, if there is one; behind it for something and nothing."""
    return " ".join([noun, attribute] if noun in PRONOUNS else [attribute, noun]).strip()


def one(noun: str, attribute: str = "") -> str:
    """A noun as one thing: a red bicycle, an orange car, a pair of skis, some broccoli, something red."""
    phrase = described(noun, attribute)
    if noun in PRONOUNS:
        return phrase
    if noun.lower() in IN_PAIRS:
        return f"a pair of {phrase}"
    return f"some {phrase}" if noun.lower() in UNCOUNTED else f"{article(phrase)} {phrase}"


def third_person(verb: str) -> str:
    """What a person does: `hop on` becomes hops on, `carry` carries, `watch` watches."""
    first, *rest = verb.split(" ")
    return " ".join([IRREGULAR.get(first) or _with_s(first), *rest])


def _with_s(verb: str) -> str:
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + ("es" if re.search(r"(s|sh|ch|x|z|o)$", verb) else "s")
