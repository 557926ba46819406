"""VSE-infinity on the engine: images and their captions learn to find each other."""
