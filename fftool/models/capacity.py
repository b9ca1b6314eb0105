"""Size of a network that follows the signal: one network while it has room, and a small one for each tile beyond."""

from __future__ import annotations

from dataclasses import replace
from math import isqrt, prod

from fftool.config import (
    DIMENSION,
    HIDDEN,
    MARGIN,
    EncodingConfig,
    NetworkConfig,
    NetworkSettings,
    SignalConfig,
    TrainingConfig,
    count_parameters,
    layer_widths,
)
from fftool.errors import SettingError
from fftool.holdout import training_size
from fftool.tiling import TileGrid, even_tile

SAMPLES_PER_PARAMETER = 2.5  # of a single network; measured on mosaics of 1.6 to 12.6 megapixels
TILE_SIDES = (32, 64, 128, 256, 512)  # of "auto": the first one whose networks are within
MAX_TILED_PARAMETERS = 2**26  # 268 MB in a checkpoint
MAX_TILE_UNITS = 256


def resolve_network(
    signal: SignalConfig, encoding: EncodingConfig, network: NetworkConfig, training: TrainingConfig
) -> tuple[NetworkSettings, EncodingConfig]:
    """Network and encoding with their sizes chosen, for a signal and the share of it that is trained on.

    Raises SettingError for a tile that does not fit the signal's axes.
    """
    if not isinstance(network.tile, str):
        return _tiled(signal, encoding, network, _sides(signal, network.tile))
    single, encoded = _single(encoding, network)
    if network.tile == "none" or _has_room(signal, encoded, single, training):
        if network.margin:
            raise SettingError("margin", network.margin, "0 for a network without tiles, or a tile")
        return single, encoded
    spacing = 2 if training.holdout == "lattice" else 1  # of the trained samples
    for side in TILE_SIDES:
        tiled, encoded = _tiled(signal, encoding, network, (side * spacing,) * len(signal.shape))
        n_tiles = TileGrid(signal.shape, tiled.tile, tiled.margin).n_tiles
        if n_tiles * count_parameters(layer_widths(signal, encoded, tiled)) <= MAX_TILED_PARAMETERS:
            break
    return tiled, encoded


def _single(encoding: EncodingConfig, network: NetworkConfig) -> tuple[NetworkSettings, EncodingConfig]:
    settings = NetworkSettings(hidden=network.hidden or HIDDEN, layers=network.layers)
    return settings, replace(encoding, dimension=encoding.dimension or DIMENSION)


def _has_room(
    signal: SignalConfig, encoding: EncodingConfig, network: NetworkSettings, training: TrainingConfig
) -> bool:
    """Whether a single network has room for a signal: one of the default size, or a larger one if asked for.

    Tiles were measured on images alone, which have two axes.
    """
    features, hidden = 2 * max(encoding.n_frequencies(2), DIMENSION), max(network.hidden, HIDDEN)
    parameters = count_parameters([features, *[hidden] * max(network.layers, NetworkConfig.layers), signal.channels])
    n_trained = training_size(signal.shape, training.holdout)
    return len(signal.shape) != 2 or n_trained <= SAMPLES_PER_PARAMETER * parameters


def _sides(signal: SignalConfig, tile: int | tuple[int, ...]) -> tuple[int, ...]:
    sides = tile if isinstance(tile, tuple) else (tile,) * len(signal.shape)
    if len(sides) != len(signal.shape):
        raise SettingError("tile", sides, f"one side, or one for each axis, {', '.join(signal.axes)}")
    return sides


def _tiled(
    signal: SignalConfig, encoding: EncodingConfig, network: NetworkConfig, sides: tuple[int, ...]
) -> tuple[NetworkSettings, EncodingConfig]:
    """A network for each tile of up to those sides: 64 units and frequencies up to 64×64 samples, and more beyond."""
    tile = tuple(map(even_tile, signal.shape, sides))
    units = min(max(isqrt(prod(tile)) // 64, 1) * 64, MAX_TILE_UNITS)
    overlapping = [side for side, length in zip(tile, signal.shape, strict=True) if side < length]
    margin = min([MARGIN, *(side // 2 for side in overlapping)]) if network.margin is None else network.margin
    settings = NetworkSettings(hidden=network.hidden or units, layers=network.layers, tile=tile, margin=margin)
    return settings, replace(encoding, dimension=encoding.dimension or min(units, DIMENSION))
