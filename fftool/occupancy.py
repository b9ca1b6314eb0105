"""Points that test the occupancy of a shape, and the intersection over union of what is inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TestPoints:
    """Points with shape (n, 3) in the unit cube, x first; whether each is inside the shape, and near its surface."""

    __test__ = False  # no class of tests

    coordinates: NDArray[np.float32]
    inside: NDArray[np.bool_]
    near: NDArray[np.bool_]

    def iou(self, occupancy: NDArray[np.float32], near: bool) -> float:
        """Intersection over union of the points inside and those with an occupancy above a half, of either kind."""
        chosen = self.near == near
        inside, found = self.inside[chosen], occupancy[chosen] > 0.5
        union = int((inside | found).sum())
        return float((inside & found).sum()) / union if union else 1.0
