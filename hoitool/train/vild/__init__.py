"""ViLD on the engine: boxes of base objects, their texts, and what an image encoder says of regions."""
