"""The steps of each optimizer against torch's own or exact arithmetic, and the schedules."""

import pytest
import torch
from torch import nn

import fftool
from fftool import EncodingConfig, NetworkConfig, Signal, TrainingConfig
from fftool.optimizer import WARM_UP_STEPS, Adam, Muon, learning_rate_factor, orthogonalized


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_our_adam_is_torchs():
    start = random(4, 3)
    ours, theirs = start.clone(), nn.Parameter(start.clone())
    adam, reference = Adam([ours]), torch.optim.Adam([theirs], betas=Adam.BETAS, fused=True)
    for step in range(20):
        adam.step([3 * ours**2], torch.tensor(0.01 * step))
        reference.param_groups[0]["lr"] = 0.01 * step
        theirs.grad = 3 * theirs.detach() ** 2
        reference.step()
    assert not torch.equal(ours, start)
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 256, 256), (1, 256, 2), (3, 32, 100), (1, 1, 9), (1, 7, 1)])
def test_orthogonalized_keeps_the_singular_vectors(shape):
    """The polar factor UVᵀ of G = USVᵀ, roughly: the singular values are within 0.65 of 1, where they were not tiny."""
    matrices = random(*shape)
    near = orthogonalized(matrices, torch.float32)
    U, S, V = torch.linalg.svd(matrices.double(), full_matrices=False)
    inside = U.mT @ near.double() @ V.mT  # diagonal, if the vectors are the same
    diagonal = inside.diagonal(dim1=1, dim2=2)
    assert (inside - torch.diag_embed(diagonal)).abs().max() < 1e-3
    assert (diagonal[S / torch.linalg.matrix_norm(matrices.double())[:, None] > 0.0031] - 1).abs().max() < 0.66


def test_a_gradient_of_zero_moves_nothing():
    assert torch.equal(orthogonalized(torch.zeros(1, 8, 4), torch.bfloat16), torch.zeros(1, 8, 4, dtype=torch.bfloat16))


def network(layers=2):
    signal = Signal(random(8, 8, 3).mul(50).clamp(0, 255).numpy().astype("uint8"))
    config = NetworkConfig(hidden=32, layers=layers)
    return next(fftool.fit(signal, EncodingConfig(dimension=16), config, TrainingConfig(epochs=1))).network


@pytest.mark.parametrize("layers", [0, 1, 2, 4])
def test_muon_moves_each_hidden_matrix_along_its_orthogonal_gradient(layers):
    """A first step: the mean gradient is the gradient. The last layer and the biases move as by Adam."""
    ours, precision = network(layers), torch.float32
    before = [p.detach().clone() for p in ours.parameters()]
    gradients = [random(*p.shape) for p in before]
    rate = torch.tensor(0.02)
    Muon(ours, precision).step([g.clone() for g in gradients], rate)
    for i, (old, gradient, new) in enumerate(zip(before, gradients, ours.parameters(), strict=True)):
        if i % 2 or i == 2 * layers:
            expected = old - Muon.ADAMS_SHARE * rate * gradient.sign()  # what Adam's first step is
        else:
            expected = old - rate * orthogonalized(gradient[None], precision)[0]  # square: it does not grow
        torch.testing.assert_close(new.detach(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 60, 1000, 10**6])
def test_a_schedule_warms_up_and_falls_to_zero(schedule, steps):
    seen = range(0, steps, max(1, steps // 1000))
    factors = [learning_rate_factor(schedule, step, step / steps) for step in seen]
    assert all(0 < factor <= 1 for factor in factors)
    if steps >= 60:
        assert factors[0] <= 1 / WARM_UP_STEPS
        assert max(factors) > 0.9
    falls = factors[WARM_UP_STEPS:]
    assert falls == sorted(falls, reverse=True)
    assert learning_rate_factor(schedule, steps + WARM_UP_STEPS, 1.0) == float(schedule == "constant")
