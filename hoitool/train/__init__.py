"""Training: recipes, the data they name, the loop, checkpoints."""
