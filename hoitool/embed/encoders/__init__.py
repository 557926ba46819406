"""One encoder, or family of them, per file: the only files of embed that load torch."""
