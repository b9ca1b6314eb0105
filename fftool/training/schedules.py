"""The learning rate over a training."""

from __future__ import annotations

import math

from fftool.config import Schedule

WARM_UP_STEPS = 5


def learning_rate_factor(schedule: Schedule, step: int, done: float) -> float:
    """Factor on the learning rate for a step.

    Up over the first WARM_UP_STEPS, then `constant`, or down to 0 along a line or half a cosine.

    Args:
        schedule: its name.
        step: steps that the optimizer has taken before.
        done: fraction of the training that is over.

    """
    decay = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[schedule]
    return min(1.0, (step + 1) / WARM_UP_STEPS) * decay
