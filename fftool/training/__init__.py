"""Training: the loop, and everything in a step."""
