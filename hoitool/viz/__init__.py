"""Pictures of data. matplotlib is imported when one is drawn, without a display."""
