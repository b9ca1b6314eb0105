"""Memory that is used anew: fresh memory for each block or batch costs more than most of what is done in it."""

from __future__ import annotations

import torch
from torch import Tensor


class Buffers:
    """Matrices by name, on one device. Each is as large as the largest one that was asked for by that name."""

    def __init__(self, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.device, self.dtype = device, dtype
        self.memory: dict[str, Tensor] = {}

    def __call__(self, name: str, rows: int, columns: int) -> Tensor:
        """A matrix of that size, with whatever is in it; all by that name have as many columns."""
        if name not in self.memory or len(self.memory[name]) < rows:
            self.memory[name] = torch.empty(rows, columns, dtype=self.dtype, device=self.device)
        return self.memory[name][:rows]
