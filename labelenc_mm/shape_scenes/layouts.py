"""Layouts of shape scenes: types of scenes, object classes in them, places and sizes.

A scene type fixes bands of ground, water and air and how often each class appears, so that
classes co-occur (cars with houses and lamps, boats with birds and fish) and have their places. Few
objects stand outside of their usual scene: context helps but is not certain.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from labelenc_mm.shape_scenes.outlines import OUTLINES

CLUTTER = -1
"""Class id of drawn things that belong to no class."""

_OUT_OF_CONTEXT = 0.06  # share of objects whose class ignores the scene type
_EMPTY = 0.025  # share of scenes without objects


class Band(NamedTuple):
    """A level strip of background: material and lower edge as a share of the image height."""

    material: str
    bottom: float


class Placement(NamedTuple):
    """One thing to draw: class id or CLUTTER, foot (x, y) in pixels, height in pixels."""

    label: int
    x: float
    y: float
    height: float


class SceneType(NamedTuple):
    """Frequency of each class, and the materials of the bands below the sky."""

    frequencies: dict[str, float]
    ground: tuple[str, ...]


SCENE_TYPES: dict[str, SceneType] = {
    'street': SceneType(
        {'house': 0.24, 'car': 0.38, 'lamp': 0.18, 'person': 0.12, 'tree': 0.04, 'bird': 0.04},
        ('grass', 'road'),
    ),
    'park': SceneType(
        {'tree': 0.26, 'person': 0.24, 'lamp': 0.26, 'bird': 0.12, 'house': 0.08, 'car': 0.04},
        ('hill', 'grass'),
    ),
    'shore': SceneType(
        {'boat': 0.3, 'person': 0.2, 'bird': 0.24, 'house': 0.16, 'tree': 0.1}, ('water', 'sand')
    ),
    'lake': SceneType({'fish': 0.56, 'boat': 0.26, 'bird': 0.12, 'tree': 0.06}, ('hill', 'deep')),
}

# Usual height of an object beside a house of 1, chosen for outlines that stay readable.
_HEIGHTS = {
    'house': 1.0,
    'tree': 1.05,
    'person': 0.62,
    'car': 0.38,
    'boat': 0.62,
    'bird': 0.26,
    'fish': 0.26,
    'lamp': 0.95,
}
_NAMES = tuple(OUTLINES)


def sample_bands(scene_type: str, rng: Generator) -> list[Band]:
    """Draw the strips of background from the sky down; the last one ends at 1."""
    far, near = SCENE_TYPES[scene_type].ground
    if scene_type == 'lake':
        surface = rng.uniform(0.28, 0.45)
        horizon = surface - rng.uniform(0.02, 0.08)
    else:
        horizon = rng.uniform(0.3, 0.55)
        surface = horizon + rng.uniform(*((0.12, 0.3) if scene_type == 'shore' else (0.03, 0.14)))
    return [Band('sky', horizon), Band(far, surface), Band(near, 1.0)]


def sample_placements(
    scene_type: str, bands: list[Band], size: tuple[int, int], rng: Generator
) -> list[Placement]:
    """Draw what stands in the scene, from back to front.

    Args:
        scene_type: A key of SCENE_TYPES.
        bands: From :func:`sample_bands`.
        size: (H, W) of the image.
        rng: Random stream of the image.

    Returns:
        Placements in drawing order. Some may end up hidden, the renderer leaves those out.
    """
    frequencies = SCENE_TYPES[scene_type].frequencies
    names, weights = list(frequencies), np.array(list(frequencies.values()))
    zoom = float(np.exp(rng.uniform(np.log(0.5), np.log(1.25))))
    # Close views hold few things, wide images more.
    count = rng.poisson((2.2 + 3.2 / zoom) * np.clip(size[1] / size[0], 0.5, 3)) + 1
    if rng.random() < _EMPTY:
        count = 0
    placements = []
    for name in rng.choice(names, size=count, p=weights / weights.sum()):
        if rng.random() < _OUT_OF_CONTEXT:
            name = rng.choice(_NAMES)
        placements.append(_place(str(name), scene_type, bands, size, zoom, rng))
    for _ in range(rng.poisson(0.45 * count + 0.5)):
        x, y = rng.uniform(0, size[1]), size[0] * rng.uniform(bands[0].bottom, 1.05)
        height = min(size) * zoom * float(np.exp(rng.uniform(np.log(0.08), np.log(0.35))))
        placements.append(Placement(CLUTTER, x, y, height))
    # Nearer things stand lower; what flies or swims is sorted by a random depth between.
    depths = [p.y + rng.normal(0, 0.02) * size[0] for p in placements]
    return [placements[i] for i in np.argsort(depths, kind='stable')]


def _place(
    name: str,
    scene_type: str,
    bands: list[Band],
    size: tuple[int, int],
    zoom: float,
    rng: Generator,
) -> Placement:
    """Choose foot and height of one object: perspective on the ground, free in air and water."""
    height, width = size
    horizon, surface = bands[0].bottom, bands[1].bottom
    spread = float(np.exp(rng.normal(0, 0.2)))
    if name == 'bird' and rng.random() < 0.75:
        foot = rng.uniform(0.1, max(horizon, 0.3))
        nearness = rng.uniform(0.3, 1.0)
    elif name == 'fish':
        top = surface if scene_type == 'lake' else horizon
        foot = rng.uniform(min(top + 0.16, 0.9), 1.0)
        nearness = rng.uniform(0.3, 1.2)
    elif scene_type == 'lake':  # on the waterline, or on the bank behind it
        foot = (
            surface + rng.uniform(-0.01, 0.03) if name == 'boat' else rng.uniform(horizon, surface)
        )
        nearness = rng.uniform(0.4, 0.7)
    else:
        low, high = (surface, 1.05)
        if scene_type == 'shore' and name == 'boat':
            low, high = (horizon + 0.02, surface)
        elif name == 'house':
            high = surface + 0.6 * (high - surface)  # leaves room in front of it
        foot = rng.uniform(low, high)
        nearness = 0.35 + 0.65 * (foot - horizon) / (1.05 - horizon)
    length = 0.7 * min(size) * _HEIGHTS[name] * zoom * nearness * spread
    length = max(length, 0.06 * min(size), 6.0)  # below this no outline is left
    return Placement(_NAMES.index(name), rng.uniform(0.02, 0.98) * width, foot * height, length)
