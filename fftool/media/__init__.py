"""Files to signals and back: one module for each kind of medium."""
