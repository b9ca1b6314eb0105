"""NumPy archives: the tensors of a checkpoint by their names, and its config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fftool.checkpoint.format import config_json
from fftool.files import replacing

if TYPE_CHECKING:
    from fftool.models.network import CoordinateMLP


def write_npz(path: Path, network: CoordinateMLP) -> None:
    """Write an archive of `encoding.B`, `layers.0.weight`, …, and `config`, a JSON document. Raises WriteError."""
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    with replacing(path) as file:
        np.savez(file, config=np.array(config_json(network.config, network.result)), **arrays)
