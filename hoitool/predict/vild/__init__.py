"""ViLD's detections: pictures into squares, regions into scores, boxes of the objects of any vocabulary."""
