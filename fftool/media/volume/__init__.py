"""Volumes: scans and other samples in space."""
