"""The image medium: files to signals with axes ("y", "x") and back. `medium` has the whole of its interface."""
