"""Steps of each optimizer against torch's own or exact arithmetic, and the schedules."""

import pytest
import torch
from torch import nn

from fftool.models.layers import Layer, named_parameters
from fftool.training.optimizers import Adam, Muon, make_optimizer, orthogonalize
from fftool.training.schedules import learning_rate_factor


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("betas", [Adam.BETAS, (0.8, 0.95)])
def test_adam_equals_torchs(betas):
    """Parameters of several shapes, at a rate that changes, from gradients that come in another order."""
    start = {"weight": random(4, 3), "bias": random(5)}
    ours = {name: tensor.clone() for name, tensor in start.items()}
    theirs = {name: nn.Parameter(tensor.clone()) for name, tensor in start.items()}
    adam, reference = Adam(ours, betas), torch.optim.Adam(theirs.values(), betas=betas, fused=True)
    for step in range(20):
        adam.step({name: 3 * ours[name] ** 2 for name in ("bias", "weight")}, torch.tensor(0.01 * step))
        reference.param_groups[0]["lr"] = 0.01 * step
        for parameter in theirs.values():
            parameter.grad = 3 * parameter.detach() ** 2
        reference.step()
    for name, tensor in ours.items():
        assert not torch.equal(tensor, start[name])
        torch.testing.assert_close(tensor, theirs[name].detach(), rtol=1e-6, atol=1e-6)


def test_adam_names_its_state():
    adam = Adam({"a": random(4, 3), "b": random(5)})
    shapes = {name: tuple(tensor.shape) for name, tensor in adam.state.items()}
    assert shapes == {
        "means.0": (4, 3), "means.1": (5,), "squares.0": (4, 3), "squares.1": (5,), "counts.0": (), "counts.1": (),
    }  # fmt: skip
    adam.step({"a": random(4, 3), "b": random(5)}, torch.tensor(0.1))
    assert adam.state["counts.1"] == 1
    torch.testing.assert_close(adam.state["means.1"], 0.1 * random(5))
    torch.testing.assert_close(adam.state["squares.1"], 0.01 * random(5) ** 2)


@pytest.mark.parametrize("shape", [(2, 256, 256), (1, 256, 2), (3, 32, 100), (1, 1, 9), (1, 7, 1)])
def test_orthogonalize_keeps_the_singular_vectors(shape):
    """The polar factor UVᵀ of G = USVᵀ, roughly: singular values are within 0.65 of 1, unless they were tiny."""
    matrices = random(*shape)
    near = orthogonalize(matrices, torch.float32)
    U, S, V = torch.linalg.svd(matrices.double(), full_matrices=False)
    inside = U.mT @ near.double() @ V.mT  # diagonal, if the vectors are the same
    diagonal = inside.diagonal(dim1=1, dim2=2)
    assert (inside - torch.diag_embed(diagonal)).abs().max() < 1e-3
    assert (diagonal[S / torch.linalg.matrix_norm(matrices.double())[:, None] > 0.0031] - 1).abs().max() < 0.66


def test_gradient_of_zero_moves_nothing():
    assert torch.equal(orthogonalize(torch.zeros(1, 8, 4), torch.bfloat16), torch.zeros(1, 8, 4, dtype=torch.bfloat16))


def layers(n_hidden):
    """Square hidden layers of 32 units, and an output of 3."""
    hidden = [Layer(f"layers.{i}", random(32, 32), random(32), "relu") for i in range(n_hidden)]
    return [*hidden, Layer(f"layers.{n_hidden}", random(3, 32), random(3), "sigmoid")]


@pytest.mark.parametrize("n_hidden", [0, 1, 2, 4])
def test_muon_moves_each_hidden_matrix_along_its_orthogonal_gradient(n_hidden):
    """A first step: the mean gradient is the gradient. The last layer and the biases move as by Adam."""
    ours, precision = layers(n_hidden), torch.float32
    before = {name: tensor.clone() for name, tensor in named_parameters(ours).items()}
    gradients = {name: random(*tensor.shape) for name, tensor in before.items()}
    rate = torch.tensor(0.02)
    Muon(ours, precision).step({name: gradient.clone() for name, gradient in gradients.items()}, rate)
    hidden = {f"layers.{i}.weight" for i in range(n_hidden)}
    for name, new in named_parameters(ours).items():
        old, gradient = before[name], gradients[name]
        if name in hidden:
            expected = old - rate * orthogonalize(gradient[None], precision)[0]  # square: it does not grow
        else:
            expected = old - 0.05 * rate * gradient.sign()  # Adam's first step at its share of the rate
        torch.testing.assert_close(new, expected, rtol=1e-4, atol=1e-5)


def test_muon_moves_a_tall_matrix_further():
    """By the square root of its sides' ratio: 64×4 moves 4 times as far along the orthogonal directions."""
    weight, gradient = random(64, 4), random(64, 4) + 1
    ours = [
        Layer("layers.0", weight.clone(), torch.zeros(64), "relu"),
        Layer("layers.1", random(3, 64), torch.zeros(3), "sigmoid"),
    ]
    gradients = {name: torch.zeros_like(tensor) for name, tensor in named_parameters(ours).items()}
    Muon(ours, torch.float32).step(gradients | {"layers.0.weight": gradient.clone()}, torch.tensor(0.01))
    moved = torch.linalg.svdvals(weight - ours[0].weight) / 0.01
    assert moved.max() < 4 * 1.66 and moved.min() > 4 * 0.34


def test_muon_names_its_state():
    """Matrices of one shape are computed together; Adam numbers its parameters in the order of the forward pass."""
    muon = make_optimizer("muon", layers(2), torch.float32)
    shapes = {name: tuple(tensor.shape) for name, tensor in muon.state.items()}
    adam = {0: (32,), 1: (32,), 2: (3, 32), 3: (3,)}  # two biases, then the last layer
    assert shapes == {"means.0": (2, 32, 32)} | {
        f"adam.{kind}.{i}": () if kind == "counts" else shape
        for kind in ("means", "squares", "counts")
        for i, shape in adam.items()
    }


@pytest.mark.parametrize("name", ["muon", "adam"])
def test_state_is_the_optimizers_own(name):
    """Restoring it restores the optimizer: two steps from a copied state are alike."""
    ours = layers(1)
    optimizer, parameters = make_optimizer(name, ours, torch.float32), named_parameters(ours)
    gradients = {key: random(*tensor.shape) for key, tensor in parameters.items()}

    def step():
        optimizer.step({key: gradient.clone() for key, gradient in gradients.items()}, torch.tensor(0.1))

    step()
    state = {key: tensor.clone() for key, tensor in (parameters | optimizer.state).items()}
    step()
    first = {key: tensor.clone() for key, tensor in (parameters | optimizer.state).items()}
    for key, tensor in (parameters | optimizer.state).items():
        tensor.copy_(state[key])
    step()
    for key, tensor in (parameters | optimizer.state).items():
        assert torch.equal(tensor, first[key]), key
        assert not torch.equal(tensor, state[key]), key


@pytest.mark.parametrize(
    ("schedule", "halfway", "late"), [("constant", 1, 1), ("linear", 0.5, 0.25), ("cosine", 0.5, 0.1464466)]
)
def test_schedule_has_the_right_values(schedule, halfway, late):
    """Full after a warm-up of five steps, halved in the middle, and at three quarters 1/4 or (1 - √½) / 2."""
    assert [learning_rate_factor(schedule, step, 0.0) for step in range(7)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1, 1]
    )
    assert learning_rate_factor(schedule, 100, 0.5) == pytest.approx(halfway)
    assert learning_rate_factor(schedule, 100, 0.75) == pytest.approx(late)
    assert learning_rate_factor(schedule, 0, 0.5) == pytest.approx(0.2 * halfway)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 60, 1000, 10**6])
def test_schedule_warms_up_and_falls_to_zero(schedule, steps):
    seen = range(0, steps, max(1, steps // 1000))
    factors = [learning_rate_factor(schedule, step, step / steps) for step in seen]
    assert all(0 < factor <= 1 for factor in factors)
    if steps >= 60:
        assert factors[0] <= 0.2
        assert max(factors) > 0.9
    falls = factors[5:]
    assert falls == sorted(falls, reverse=True)
    assert learning_rate_factor(schedule, steps + 5, 1.0) == float(schedule == "constant")
