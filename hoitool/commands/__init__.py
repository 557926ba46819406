"""One file per command: parse, one library call, show. Heavy imports stand inside the functions."""
