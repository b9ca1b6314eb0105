"""Clips: video, animations and numbered frames."""
