"""The colours that synthetic pictures are drawn in: skin, what people wear by the zone of their object, things.

THINGS are those of pictures for detection, COCO's names: twelve base objects, then four of its novel ones.
"""

from __future__ import annotations

Colour = tuple[int, int, int]
SKIN: Colour = (240, 200, 170)
IDLE: Colour = (205, 92, 92)  # what people in no pair wear
CLOTHES: dict[str, Colour] = {
    "above": (225, 60, 60),
    "below": (50, 90, 220),
    "beside": (240, 200, 40),
    "on": (40, 170, 80),
    "far": (150, 150, 150),
}
COLOURS: dict[str, Colour] = {
    "bicycle": (46, 110, 180),
    "horse": (120, 82, 45),
    "skateboard": (230, 150, 20),
    "umbrella": (130, 60, 150),
    "dog": (90, 90, 90),
    "chair": (40, 140, 90),
}
THINGS: dict[str, Colour] = {
    "car": (220, 40, 40),
    "boat": (30, 70, 160),
    "bear": (90, 60, 30),
    "apple": (150, 20, 30),
    "banana": (240, 215, 50),
    "orange": (250, 140, 20),
    "broccoli": (40, 130, 50),
    "vase": (150, 90, 200),
    "kite": (240, 90, 170),
    "clock": (25, 25, 25),
    "bench": (150, 110, 70),
    "frisbee": (70, 180, 230),
    "cup": (60, 190, 150),
    "tie": (110, 20, 110),
    "couch": (120, 130, 50),
    "bus": (200, 90, 40),
}
