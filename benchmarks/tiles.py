"""Tiled networks against one network, the plain loop, and ordinary resizing; and what their edges cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.figure import Figure
from benchmarks.quality import ONE_NETWORK, begin, psnr, race, train
from benchmarks.roofline import side_by_side
from benchmarks.scale import held_out_psnr
from fftool import CoordinateMLP, EncodingConfig, NetworkConfig, Signal, TrainingConfig, metrics, render
from fftool.comparison.outcome import resize_variant
from fftool.config import Baseline, Holdout, ScaleGoal
from fftool.models.capacity import TILE_SIDES, resolve_network
from fftool.resampling import KERNELS, resize
from fftool.tiling import TileGrid

DETAIL = EncodingConfig(scale_for="detail")
RESIZE = EncodingConfig(scale_for="resize")
SIDE = TILE_SIDES[2][0][1]  # of the smallest tiles that are a default
ENLARGED = 4  # times, to look at the edges between tiles


def tiled(signal: Signal, holdout: Holdout = "none") -> NetworkConfig:
    """The default settings where an image has tiles by them; elsewhere, the smallest tiles that are a default."""
    default, _ = resolve_network(signal.config, EncodingConfig(), NetworkConfig(), TrainingConfig(holdout=holdout))
    if default.tile:
        return NetworkConfig()
    return NetworkConfig(tile=2 * SIDE if holdout == "lattice" else SIDE)


def by_default(signals: Sequence[Signal], goal: ScaleGoal, epochs: int) -> list[Figure]:
    """PSNR, time of the training, and traces of the edges between tiles."""
    rows: list[dict[str, Any]] = []
    for signal in signals:
        progress = train(signal, EncodingConfig(scale_for=goal), tiled(signal), epochs=epochs)
        row = {"picture": signal.source, "psnr_db": psnr(progress.network, signal), "seconds": progress.seconds}
        rows.append(row | edge_ratios(progress.network, signal))
    settings, parts = f"tiles for {goal}, {epochs} epochs", {"pictures": rows}
    psnr_mean, longest = mean(row["psnr_db"] for row in rows), max(row["seconds"] for row in rows)
    error, bend = mean(row["error"] for row in rows), mean(row["bend"] / row["lanczos_bend"] for row in rows)
    of_error = f"{settings}: error at the edges of tiles, of that elsewhere, mean"
    of_bend = f"{settings}: second differences at the edges of tiles, of those elsewhere, network / Lanczos, mean"
    return [
        Figure(name=f"{settings}: PSNR, mean", value=psnr_mean, unit="dB", parts=parts),
        Figure(name=f"{settings}: time to train, longest", value=longest, unit="s", parts=parts),
        Figure(name=of_error, value=error, parts=parts),
        Figure(name=of_bend, value=bend, parts=parts),
    ]


def edge_ratios(network: CoordinateMLP, signal: Signal) -> dict[str, float]:
    """What there is within a pixel of the edges between tiles, over what there is elsewhere.

    The mean absolute error at the image's size; and the mean absolute second differences of a larger rendering, and of
    a resize by Lanczos' filter, which shows how much the image itself has at these places.
    """
    tiles = network.tiles
    assert tiles is not None
    near = np.logical_or.outer(*(near_edges(tiles, axis, 1) for axis in range(2)))
    error = np.abs(render(network, bits=32) - signal.array / np.float32(np.iinfo(signal.array.dtype).max))
    shape = tuple(ENLARGED * length for length in signal.shape)
    resized = resize(finely(signal), shape, "lanczos").astype(np.float32)
    return {
        "error": float(error[near].mean() / error[~near].mean()),
        "bend": bend_ratio(tiles, render(network, shape, bits=32)),
        "lanczos_bend": bend_ratio(tiles, resized),
    }


def finely(signal: Signal) -> NDArray[np.uint16]:
    """Samples in 16 bits, whose rounding is far below the second differences of a resize."""
    peak = np.iinfo(signal.array.dtype).max
    return signal.array.astype(np.uint16) * np.uint16(np.iinfo(np.uint16).max // peak)


def bend_ratio(tiles: TileGrid, enlarged: NDArray[Any]) -> float:
    """Mean absolute second difference across the edges of tiles, within a pixel of them, over that elsewhere."""
    at_edges, elsewhere = [], []
    for axis in range(2):
        differences = np.abs(np.diff(enlarged, n=2, axis=axis))
        near = near_edges(tiles, axis, ENLARGED)[1:-1]
        at_edges.append(differences.compress(near, axis).ravel())
        elsewhere.append(differences.compress(~near, axis).ravel())
    return float(np.concatenate(at_edges).mean() / np.concatenate(elsewhere).mean())


def near_edges(tiles: TileGrid, axis: int, factor: int) -> NDArray[np.bool_]:
    """Whether a pixel of the image, so many times larger along an axis, is within one of its first ones of an edge."""
    position = (np.arange(factor * tiles.shape[axis]) + 0.5) / factor
    edges = tiles.tile[axis] * np.arange(1, tiles.counts[axis])
    distance: NDArray[np.float64] = np.abs(position[:, None] - edges).min(axis=1, initial=np.inf)
    return distance < 1


def against_one_network(signals: Sequence[Signal], seconds: float) -> Figure:
    """PSNR after equal times."""
    rows: list[dict[str, Any]] = [
        {
            "picture": signal.source,
            "tiles_psnr_db": psnr(train(signal, DETAIL, tiled(signal), seconds=seconds).network, signal),
            "one_psnr_db": psnr(train(signal, DETAIL, ONE_NETWORK, seconds=seconds).network, signal),
        }
        for signal in signals
    ]
    return Figure(
        name=f"PSNR after {seconds:g} s, tiles - one network, mean",
        value=mean(row["tiles_psnr_db"] - row["one_psnr_db"] for row in rows),
        unit="dB",
        parts={"pictures": rows},
    )


def against_plain_loop(signals: Sequence[Signal], epochs: int) -> Figure:
    """Time to the PSNR that the plain loop reaches with so many epochs."""
    rows = [race(signal, epochs, DETAIL, tiled(signal)) for signal in signals]
    return Figure(
        name=f"time to the plain loop's PSNR at {epochs} epochs, plain / tiles, median",
        value=median(row["times_faster"] for row in rows),
        unit="×",
        parts={"pictures": rows},
    )


def rendering(signal: Signal, width: int, height: int) -> Figure:
    """Speed of rendering, of tiles and of one network."""
    networks = [begin(signal, network=request) for request in (tiled(signal), ONE_NETWORK)]
    tiles, one = side_by_side(*(lambda network=network: render(network, (height, width)) for network in networks))
    return Figure(
        name=f"rendering, {width}×{height}, tiles / one network",
        value=one / tiles,
        parts={"tiles_pixels_per_second": width * height / tiles, "one_pixels_per_second": width * height / one},
    )


def held_out(signals: Sequence[Signal], epochs: int) -> Figure:
    """PSNR between the pixels, with every other one held out, against ordinary resizing of those left."""
    rows: list[dict[str, Any]] = []
    for signal in signals:
        network = train(signal, RESIZE, tiled(signal, "lattice"), epochs=epochs, holdout="lattice").network
        resizes = {
            kernel: resize_variant(signal, Baseline(kernel), TrainingConfig(holdout="lattice")).quality.holdout_psnr
            for kernel in KERNELS
        }
        rows.append({"picture": signal.source, "tiles": held_out_psnr(network, signal)} | resizes)
    return Figure(
        name=f"held-out PSNR at {epochs} epochs, tiles - the best of {len(KERNELS)} resizes, mean",
        value=mean(row["tiles"] - max(row[kernel] for kernel in KERNELS) for row in rows),
        unit="dB",
        parts={"holdout_psnr_db": rows},
    )


def enlargement(signals: Sequence[Signal], epochs: int) -> Iterator[Figure]:
    """PSNR of halved images at their first size, of networks against Pillow's resizing."""
    networks = {f"tiles of {SIDE}": NetworkConfig(tile=SIDE), "default": NetworkConfig()}
    filters = {"Lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}
    rows: list[dict[str, Any]] = []
    for signal in signals:
        image = even(signal)
        halved, original = image.reduce(2), np.array(image)
        small = Signal(np.array(halved), source=signal.source)
        enlarged = {
            name: render(train(small, RESIZE, network, epochs=epochs).network, original.shape[:-1])
            for name, network in networks.items()
        } | {name: np.array(halved.resize(image.size, kernel)) for name, kernel in filters.items()}
        row = {name: metrics.psnr(original, samples) for name, samples in enlarged.items()}
        rows.append({"picture": signal.source} | row)
    for network in networks:
        for kernel in filters:
            yield Figure(
                name=f"PSNR of halved images, enlarged at {epochs} epochs, {network} - {kernel}, mean",
                value=mean(row[network] - row[kernel] for row in rows),
                unit="dB",
                parts={"psnr_db": rows},
            )


def even(signal: Signal) -> Image.Image:
    """An image in colour without its last row or column, where their number is odd."""
    height, width = signal.shape
    return Image.fromarray(signal.array[: height // 2 * 2, : width // 2 * 2])
