"""Colours and textures of shape scenes, and how they differ between train and val.

The two splits are two worlds with the same things in them. Hues are of another season and hour
(train: a summer day, val: an autumn evening) and textures come from other families and other bands
of wavelengths, so that a model which goes by colour or texture fails on val and one which goes by
shape does not. Within a split colour does say something about a region (leaves are mostly of one
hue, water of another), as pretraining by colorization needs; but every hue range is wide, some
surfaces take any hue at all, and classes share their materials.
"""

import colorsys
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

TILE = 256
"""Side of a texture tile in pixels; tiles are periodic."""

_TILES_PER_FAMILY = 5

SPLITS = ('train', 'val')

_ANY_HUE = 0.25  # share of surfaces that ignore the hue of their material


class Material(NamedTuple):
    """Colour range of a surface; hues in degrees, saturation and value in [0, 1]."""

    train_hue: float
    val_hue: float
    hue_spread: float
    saturation: tuple[float, float]
    value: tuple[float, float]


MATERIALS: dict[str, Material] = {
    # surfaces of objects
    'wall': Material(40, 345, 30, (0.1, 0.5), (0.55, 0.95)),
    'roof': Material(10, 260, 30, (0.3, 0.75), (0.35, 0.7)),
    'brick': Material(15, 280, 25, (0.3, 0.6), (0.3, 0.65)),
    'door': Material(220, 90, 70, (0.3, 0.8), (0.25, 0.6)),
    'glass': Material(205, 45, 30, (0.1, 0.5), (0.25, 0.9)),
    'paint': Material(0, 180, 180, (0.3, 0.9), (0.35, 0.95)),
    'light': Material(50, 190, 25, (0.1, 0.6), (0.8, 1.0)),
    'rubber': Material(240, 20, 60, (0.0, 0.25), (0.08, 0.25)),
    'metal': Material(210, 50, 60, (0.0, 0.35), (0.25, 0.8)),
    'bark': Material(28, 320, 25, (0.25, 0.6), (0.2, 0.5)),
    'leaf': Material(110, 35, 30, (0.35, 0.8), (0.3, 0.75)),
    'trousers': Material(225, 350, 70, (0.2, 0.7), (0.2, 0.7)),
    'cloth': Material(0, 180, 180, (0.3, 0.9), (0.35, 0.95)),
    'skin': Material(24, 340, 12, (0.25, 0.6), (0.45, 0.95)),
    'hair': Material(30, 280, 60, (0.2, 0.7), (0.12, 0.6)),
    'sail': Material(45, 330, 40, (0.02, 0.3), (0.75, 1.0)),
    'hull': Material(5, 150, 60, (0.3, 0.85), (0.25, 0.7)),
    'feather': Material(220, 30, 60, (0.05, 0.5), (0.3, 0.95)),
    'wing': Material(230, 350, 60, (0.1, 0.5), (0.2, 0.7)),
    'beak': Material(40, 15, 15, (0.5, 0.9), (0.5, 0.95)),
    'scale': Material(25, 285, 60, (0.3, 0.85), (0.45, 0.95)),
    'fin': Material(45, 250, 60, (0.4, 0.9), (0.3, 0.85)),
    'eye': Material(0, 0, 180, (0.0, 0.3), (0.02, 0.2)),
    # backgrounds
    'sky': Material(208, 18, 16, (0.15, 0.6), (0.65, 1.0)),
    'cloud': Material(210, 350, 20, (0.0, 0.15), (0.8, 1.0)),
    'hill': Material(150, 275, 40, (0.15, 0.45), (0.4, 0.75)),
    'grass': Material(95, 50, 18, (0.35, 0.7), (0.4, 0.75)),
    'sand': Material(42, 330, 12, (0.2, 0.5), (0.65, 0.95)),
    'road': Material(220, 30, 60, (0.0, 0.15), (0.3, 0.6)),
    'water': Material(200, 150, 18, (0.35, 0.75), (0.4, 0.8)),
    'deep': Material(210, 165, 18, (0.4, 0.8), (0.3, 0.65)),
}


def sample_color(material: str, split: str, rng: Generator) -> tuple[float, float, float]:
    """Draw a colour of the material in the world of the split: (B, G, R) in [0, 255]."""
    train_hue, val_hue, spread, saturation, value = MATERIALS[material]
    centre = train_hue if split == 'train' else val_hue
    hue = rng.normal(centre, spread) if rng.random() >= _ANY_HUE else rng.uniform(0, 360)
    red, green, blue = colorsys.hsv_to_rgb(
        hue / 360 % 1.0, rng.uniform(*saturation), rng.uniform(*value)
    )
    return 255 * blue, 255 * green, 255 * red


@lru_cache(maxsize=4)
def texture_bank(split: str, seed: int) -> 'TextureBank':
    """The texture tiles of a split, made once per process (5 MB, a tenth of a second)."""
    return TextureBank(split, seed)


class TextureBank:
    """Texture tiles of one split.

    train: soft isotropic noise, upright and level brushing, upright and level stripes: long waves.
    val: fine isotropic noise, slanted brushing, spots, checks: short waves and other directions.

    Args:
        split: 'train' or 'val'.
        seed: Seed of the data set.

    Attributes:
        tiles: (T, TILE, TILE) float32, zero mean, unit deviation, clipped to [-2.5, 2.5].
    """

    def __init__(self, split: str, seed: int) -> None:
        # The last number keeps this stream apart from those of the images.
        rng = np.random.default_rng([seed, SPLITS.index(split), 0, 1])
        tiles = []
        for _ in range(_TILES_PER_FAMILY):
            if split == 'train':
                upright = rng.random() < 0.5
                tiles.append(_noise(rng, (18, 70)))
                tiles.append(_noise(rng, (9, 60), angle=0.0, narrow=0.12))
                tiles.append(_noise(rng, (9, 60), angle=np.pi / 2, narrow=0.12))
                tiles.append(_waves(rng, (9, 24), [0.0 if upright else np.pi / 2]))
            else:
                slant = rng.uniform(np.pi / 6, np.pi / 3) * rng.choice([-1, 1])
                tiles.append(_noise(rng, (3, 7)))
                tiles.append(_noise(rng, (4, 16), angle=slant, narrow=0.15))
                tiles.append(np.tanh(3 * _noise(rng, (5, 12)) - 2.4))
                tiles.append(_waves(rng, (4, 9), [slant, slant + np.pi / 2]))
        self.tiles = np.stack([_standardise(tile) for tile in tiles])

    def crop(self, tile: int, left: int, top: int, width: int, height: int) -> np.ndarray:
        """(height, width) float32 view or copy of a tile, continued periodically."""
        left, top = left % TILE, top % TILE
        if left + width <= TILE and top + height <= TILE:
            return self.tiles[tile, top : top + height, left : left + width]
        rows = np.arange(top, top + height) % TILE
        columns = np.arange(left, left + width) % TILE
        return self.tiles[tile][rows[:, None], columns]


def _noise(
    rng: Generator,
    wavelengths: tuple[float, float],
    angle: float | None = None,
    narrow: float = 1.0,
) -> np.ndarray:
    """(TILE, TILE) periodic noise in a band of wavelengths (pixels), of one direction if given."""
    y = np.fft.fftfreq(TILE)[:, None]
    x = np.fft.rfftfreq(TILE)[None, :]
    radius = np.hypot(x, y)
    band = (radius >= 1 / wavelengths[1]) & (radius <= 1 / wavelengths[0])
    if angle is not None:
        off = (np.arctan2(y, x) - angle + np.pi / 2) % np.pi - np.pi / 2
        band = band & (np.abs(off) < narrow * np.pi)
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE)))
    return _standardise(np.fft.irfft2(spectrum * band / np.maximum(radius, 1e-3), s=(TILE, TILE)))


def _waves(rng: Generator, wavelengths: tuple[float, float], angles: list[float]) -> np.ndarray:
    """(TILE, TILE) periodic stripes (one angle) or checks (two), hard or soft edged."""
    y, x = np.mgrid[:TILE, :TILE] * (2 * np.pi / TILE)
    cycles = TILE / rng.uniform(*wavelengths)
    tile = np.ones((TILE, TILE))
    for angle in angles:
        # Whole cycles along both axes keep the tile periodic.
        along_x, along_y = round(cycles * np.cos(angle)), round(cycles * np.sin(angle))
        tile = tile * np.sin(along_x * x + along_y * y + rng.uniform(0, 2 * np.pi))
    return np.tanh(tile * rng.uniform(1, 6))


def _standardise(tile: np.ndarray) -> np.ndarray:
    """Zero mean, unit deviation, clipped."""
    tile = (tile - tile.mean()) / max(float(tile.std()), 1e-6)
    return np.clip(tile, -2.5, 2.5).astype(np.float32)
