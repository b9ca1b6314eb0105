"""σ from the signal."""
