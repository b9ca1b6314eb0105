"""How the weights move: Adam, and the schedule of its learning rate."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """Adam (Kingma and Ba, 2015), by torch's fused kernel.

    `torch.optim.Adam` does the same after importing a compiler, which takes longer than learning a small picture.
    """

    BETAS = (0.9, 0.99)  # 0.3 to 0.8 dB better than (0.9, 0.999), measured as the schedule below

    def __init__(self, parameters: list[Tensor]) -> None:
        self.parameters = parameters
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.counts = [torch.zeros((), device=p.device) for p in parameters]

    def step(self, loss: Tensor, learning_rate: float) -> None:
        """Move the parameters against the gradient of the loss."""
        gradients = list(torch.autograd.grad(loss, self.parameters))
        with torch.no_grad():
            adam(
                self.parameters, gradients, self.means, self.squares, [], self.counts,
                fused=True, lr=learning_rate, beta1=self.BETAS[0], beta2=self.BETAS[1], eps=1e-8,
                weight_decay=0, amsgrad=False, maximize=False,
            )  # fmt: skip


def learning_rate_factor(step: int, steps: int) -> float:
    """The share of the learning rate for a step: up in the first steps, then down to 0 along half a cosine.

    On Kodak pictures 5 and 2 at 384×256, 10 epochs, it gains 2.1 and 2.8 dB over a constant rate; the warm-up alone
    is worth 0.5 and 0.2 dB of that.
    """
    warm_up = min(1, (step + 1) / max(1, min(steps // 50, 500)))
    return warm_up * 0.5 * (1 + math.cos(math.pi * step / steps))
