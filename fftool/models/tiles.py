"""Blending of tiles: a partition of unity over the margins by which they overlap.

Across an edge between two tiles, the weight of the second one rises from 0 to 1 over both margins, as 3t² - 2t³, and
that of the first one falls as much. So the whole is continuous, and so is its first derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from fftool.models.layers import Layer, tile_logits
from fftool.tiling import TileGrid


def rise(position: Tensor, edge: Tensor | float, margin: int) -> Tensor:
    """Weight of the tile behind an edge, at positions in samples; 0 up to its margin, and 1 from the other's on."""
    if margin == 0:
        return (position >= edge).to(position.dtype)
    t = ((position - edge) / (2 * margin) + 0.5).clamp(0, 1)
    return t * t * (3 - 2 * t)


def tile_weight(position: Tensor, place: int, count: int, side: int, margin: int) -> Tensor:
    """Weight of one of `count` tiles along an axis, at positions in samples."""
    weight = torch.ones_like(position)
    if place > 0:
        weight = weight * rise(position, place * side, margin)
    if place < count - 1:
        weight = weight * (1 - rise(position, (place + 1) * side, margin))
    return weight


def covering_tiles(position: Tensor, count: int, side: int, margin: int) -> tuple[tuple[Tensor, Tensor], ...]:
    """The two tiles along an axis that may cover each position in samples, and their weights: pairs of shape (n,)."""
    second = ((position + margin) / side).floor().clamp(0, count - 1)
    weight = torch.where(second > 0, rise(position, second * side, margin), torch.ones_like(position))
    return ((second - 1).clamp(min=0).long(), 1 - weight), (second.long(), weight)


def blended(tiles: TileGrid, layers: Sequence[Layer], encode: Callable[[Tensor], Tensor], v: Tensor) -> Tensor:
    """Values of a tiled network in [0, 1] with shape (n, channels), at coordinates v with shape (n, d).

    `encode` makes features of coordinates, which are measured from the origin of a tile. One tile after the other: for
    single points. Training and rendering compute many tiles at once.
    """
    axes = []  # in array order: the last one has the first coordinate
    for axis, length in enumerate(tiles.shape):
        position = v[:, len(tiles.shape) - 1 - axis] * length
        axes.append(covering_tiles(position, tiles.counts[axis], tiles.tile[axis], tiles.margins[axis]))
    values = v.new_zeros(len(v), layers[-1].weight.shape[1])
    for corner in product(*axes):
        places, weights = zip(*corner, strict=True)
        weight = torch.stack(weights).prod(dim=0)
        number = torch.zeros_like(places[0])
        for place, count in zip(places, tiles.counts, strict=True):
            number = number * count + place
        for tile in number[weight > 0].unique().tolist():
            inside = ((number == tile) & (weight > 0)).nonzero()[:, 0]
            origin = [
                float(place[inside[0]]) * side / length
                for place, side, length in zip(places, tiles.tile, tiles.shape, strict=True)
            ]
            features = encode(v[inside] - v.new_tensor(origin[::-1]))
            part = tile_logits([layer.of(slice(tile, tile + 1)) for layer in layers], features)[0].sigmoid().t()
            values = values.index_add(0, inside, part * weight[inside, None])
    return values
