"""The colours that synthetic scenes are drawn in: skin, what people wear by the zone of their object, things."""

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
