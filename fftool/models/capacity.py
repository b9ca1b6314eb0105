"""Size of a network that follows the signal: one network while it has room, and a small one for each tile beyond."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isqrt, prod

from fftool.config import (
    DIMENSION,
    HIDDEN,
    MARGINS,
    EncodingConfig,
    NetworkConfig,
    NetworkSettings,
    Preset,
    SignalConfig,
    TrainingConfig,
    check_tiles,
    count_parameters,
)
from fftool.errors import SettingError
from fftool.tiling import TileGrid, balanced_sides, even_tile

SAMPLES_PER_PARAMETER = 2.5  # of a single network; measured on mosaics of 1.6 to 12.6 megapixels
# Sides of tiles by the number of axes, and by the number of samples up to which they are. Those with two axes have 12
# parameters for each sample in tiles of 32×32, 3 in those of 64×64, and 0.8 or fewer beyond; those with three have 3 in
# tiles of 16×16×16, 0.9 in those of 24×24×24, and 0.4 in those of 32×32×32.
TILE_SIDES: dict[int, tuple[tuple[float, int], ...]] = {
    2: ((1_500_000, 32), (24_000_000, 64), (160_000_000, 128), (inf, 256)),
    3: ((4_000_000, 16), (50_000_000, 24), (inf, 32)),
}
MAX_TILE_UNITS = 256
MOST_PARAMETERS = 150_000_000  # of the tiles of very large signals: 600 MB in a checkpoint


def resolve_network(
    signal: SignalConfig, encoding: EncodingConfig, network: NetworkConfig, training: TrainingConfig
) -> tuple[NetworkSettings, EncodingConfig]:
    """Network and encoding with their sizes chosen, for a signal and what is held out of it.

    Raises SettingError for tiles that do not fit the signal's axes.
    """
    if not isinstance(network.tile, str):
        return _tiled(signal, encoding, network, training, _given_sides(signal, network.tile))
    if network.tile == "auto" and not _has_room(signal, encoding, network):
        return _tiled(signal, encoding, network, training, _default_sides(signal, training))
    if network.margin:
        raise SettingError("margin", network.margin, "0 for a network without tiles, or a tile")
    single = NetworkSettings(hidden=network.hidden or HIDDEN, layers=network.layers)
    return single, replace(encoding, dimension=encoding.dimension or DIMENSION)


def _has_room(signal: SignalConfig, encoding: EncodingConfig, network: NetworkConfig) -> bool:
    """Whether a single network has room for a signal: one of the default size, or a larger one if asked for.

    Tiles were measured on signals with two and three axes alone.
    """
    features, hidden = 2 * max(encoding.dimension or 0, DIMENSION), max(network.hidden or 0, HIDDEN)
    parameters = count_parameters([features, *[hidden] * max(network.layers, NetworkConfig.layers), signal.channels])
    return len(signal.shape) not in TILE_SIDES or prod(signal.shape) <= SAMPLES_PER_PARAMETER * parameters


def _given_sides(signal: SignalConfig, tile: int | tuple[int, ...]) -> tuple[int, ...]:
    sides = tile if isinstance(tile, tuple) else (tile,) * len(signal.shape)
    if len(sides) != len(signal.shape):
        raise SettingError("tile", sides, f"one side, or one for each axis, {', '.join(signal.axes)}")
    return sides


def with_preset(
    preset: Preset, signal: SignalConfig, network: NetworkConfig, training: TrainingConfig
) -> NetworkConfig:
    """Request with the tiles and units of a preset, where it leaves both to fftool and the signal can have tiles."""
    if len(signal.shape) not in TILE_SIDES or network.tile != "auto" or network.hidden is not None:
        return network
    tile = tuple(preset.tile * side for side in _default_sides(signal, training))
    return replace(network, tile=tile, hidden=preset.hidden)


def _default_sides(signal: SignalConfig, training: TrainingConfig) -> tuple[int, ...]:
    """Sides of the tiles of a signal: those of TILE_SIDES, and larger ones where a checkpoint would be too large.

    Along an axis that is shorter than that, tiles are as long as it is, and longer along the others.
    """
    n_samples, n_axes = prod(signal.shape), len(signal.shape)
    side = next(side for most, side in TILE_SIDES[n_axes] if n_samples <= most)
    while n_samples / side**n_axes * count_parameters(_widths(side**n_axes, signal.channels)) > MOST_PARAMETERS:
        side *= 2
    if training.holdout == "lattice":
        side *= 2  # with as many trained samples in each
    return balanced_sides(signal.shape, side**n_axes)


def _units(n_samples: int) -> int:
    """Hidden units for a tile with so many samples: 64 up to 128×128, and half the side of such a square beyond."""
    return min(max(isqrt(n_samples) // 128, 1) * 64, MAX_TILE_UNITS)


def _widths(n_samples: int, channels: int) -> list[int]:
    """Layers of a tile with so many samples."""
    units = _units(n_samples)
    return [2 * min(units, DIMENSION), units, units, channels]


def _tiled(
    signal: SignalConfig,
    encoding: EncodingConfig,
    network: NetworkConfig,
    training: TrainingConfig,
    sides: tuple[int, ...],
) -> tuple[NetworkSettings, EncodingConfig]:
    """A network for each tile of up to those sides."""
    tile = tuple(map(even_tile, signal.shape, sides))
    units = _units(prod(tile))
    largest = TileGrid(signal.shape, tile, 0).largest_margin
    default = MARGINS.get(len(tile), MARGINS[2])
    default = default if largest is None else min(default, largest)
    margin = default if network.margin is None else network.margin
    check_tiles(TileGrid(signal.shape, tile, margin), training.holdout)
    settings = NetworkSettings(hidden=network.hidden or units, layers=network.layers, tile=tile, margin=margin)
    return settings, replace(encoding, dimension=encoding.dimension or min(units, DIMENSION))
