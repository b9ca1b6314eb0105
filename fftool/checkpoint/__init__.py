"""Checkpoints: the format, reading and writing."""
