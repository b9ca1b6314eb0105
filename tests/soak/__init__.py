"""Trials that take minutes, for failures as rare as one in a thousand: `python -m tests.soak.kills`."""
