"""Many networks for one signal: variants, and their outcomes."""
