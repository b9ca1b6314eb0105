"""Trials of minutes rather than seconds, for what happens once in a thousand times: `python -m tests.soak.kills`."""
