"""The audio medium: files to signals with the axis ("t",) and back. `medium` has the whole of its interface."""
