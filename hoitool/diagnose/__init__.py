"""What lies behind a figure: how certain it is, what the errors are, and whether one run is better than another."""
