"""Drawing of shape scenes: outlines to coverage, visible masks, painted images.

Shape legend: (H, W) image, (h, w) window of one thing, images are BGR.

Two passes over the same polygons. The first goes from front to back, finds what is visible of
each thing and leaves out objects that would hardly be; the second paints what is left from back to
front. An object that is not annotated is therefore not in the picture at all.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from labelenc_mm.shape_scenes.layouts import CLUTTER, Band, Placement
from labelenc_mm.shape_scenes.materials import TILE, TextureBank, sample_color
from labelenc_mm.shape_scenes.outlines import OUTLINES
from labelenc_mm.shape_scenes.outlines.parts import Part, ellipse, limb

MIN_VISIBLE = 0.3
"""Share of its own pixels that an object must show; below it is not drawn."""

MIN_PIXELS = 12
"""Fewest pixels an object may show."""

_SHIFT = 4  # fractional bits of polygon corners handed to OpenCV
_BUILDERS = tuple(OUTLINES.values())
# Largest rotation in degrees: what stands hardly leans, what flies or swims does.
_TILT = {'house': 2, 'tree': 6, 'person': 8, 'car': 5, 'boat': 8, 'bird': 22, 'fish': 25, 'lamp': 3}
_TILTS = tuple(_TILT[name] for name in OUTLINES)


class Sprite(NamedTuple):
    """One thing in the image: its polygons in window coordinates and its coverage."""

    label: int
    materials: list[str]
    corners: list[np.ndarray]  # (P, 2) int32 each, _SHIFT fractional bits, relative to the window
    window: tuple[int, int, int, int]  # left, top, right, bottom in the image
    covered: np.ndarray  # (h, w) bool, coverage of at least one half


def pose_sprite(placement: Placement, size: tuple[int, int], rng: Generator) -> Sprite | None:
    """Draw the outline of a placement, turn and stretch it, and rasterise its coverage.

    Returns:
        The sprite, or None if nothing of it lies in the image.
    """
    if placement.label == CLUTTER:
        parts, tilt = _clutter(rng), 180.0
    else:
        parts, tilt = _BUILDERS[placement.label](rng), float(_TILTS[placement.label])
    points = np.concatenate([part.outline for part in parts])
    points = points @ _pose(placement.height, tilt, rng).T + (placement.x, placement.y)
    height, width = size
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 2, (width, height))
    if right - left < 2 or bottom - top < 2:
        return None
    # Pixel centres lie at halves for us and at whole numbers for OpenCV.
    fixed = np.round((points - (left + 0.5, top + 0.5)) * (1 << _SHIFT)).astype(np.int32)
    corners = np.split(fixed, np.cumsum([len(part.outline) for part in parts])[:-1])
    coverage = np.zeros((bottom - top, right - left), np.uint8)
    for outline in corners:
        cv2.fillPoly(coverage, [outline], 255, cv2.LINE_AA, _SHIFT)
    materials = [part.material for part in parts]
    window = (int(left), int(top), int(right), int(bottom))
    return Sprite(placement.label, materials, corners, window, coverage >= 128)


def select_visible(
    sprites: list[Sprite], size: tuple[int, int]
) -> tuple[list[Sprite], list[np.ndarray]]:
    """Leave out objects that are hidden or tiny, and find what is visible of the others.

    Args:
        sprites: From back to front.
        size: (H, W).

    Returns:
        The remaining sprites from back to front, and for each its visible mask (h, w) bool.
    """
    free = np.ones(size, bool)
    kept = []
    for sprite in reversed(sprites):
        left, top, right, bottom = sprite.window
        visible = sprite.covered & free[top:bottom, left:right]
        pixels = int(visible.sum())
        if sprite.label != CLUTTER:
            enough = max(MIN_PIXELS, MIN_VISIBLE * int(sprite.covered.sum()))
            if pixels < enough:
                continue
        free[top:bottom, left:right] &= ~sprite.covered
        kept.append((sprite, visible))
    kept.reverse()
    return [sprite for sprite, _ in kept], [visible for _, visible in kept]


def paint(
    size: tuple[int, int],
    bands: list[Band],
    sprites: list[Sprite],
    bank: TextureBank,
    split: str,
    rng: Generator,
) -> np.ndarray:
    """Paint background and sprites, then light and noise.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    image = _background(size, bands, bank, split, rng)
    for sprite in sprites:
        paint_sprite(image, sprite, bank, split, rng)
    return _light(image, rng)


def paint_sprite(
    image: np.ndarray, sprite: Sprite, bank: TextureBank, split: str, rng: Generator
) -> None:
    """Paint one sprite into a (H, W, 3) uint8 image: flat parts, then relief and shading."""
    left, top, right, bottom = sprite.window
    height, width = bottom - top, right - left
    names = list(dict.fromkeys(sprite.materials))
    colors = {name: sample_color(name, split, rng) for name in names}
    patch = np.ascontiguousarray(image[top:bottom, left:right])
    surface = np.zeros((height, width), np.uint8)
    for material, outline in zip(sprite.materials, sprite.corners, strict=True):
        cv2.fillPoly(patch, [outline], colors[material], cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(surface, [outline], names.index(material) + 1, cv2.LINE_8, _SHIFT)
    # Two textures for the object; each of its materials shows them at strengths of its own.
    strengths = rng.uniform(0, 0.13, (2, len(names) + 1)).astype(np.float32)
    strengths[:, 0] = 0
    ramp = np.linspace(-0.5, 0.5, width, dtype=np.float32) * rng.uniform(-0.5, 0.5)
    relief = (surface > 0) * ramp
    for strength in strengths:
        relief += strength[surface] * bank.crop(*_tile(bank, rng), width, height)
    image[top:bottom, left:right] = _modulate(patch, relief)


def _pose(height: float, tilt: float, rng: Generator) -> np.ndarray:
    """(2, 2) matrix: size, stretch, mirror, slant and rotation."""
    stretch = float(np.exp(rng.normal(0, 0.08)))
    angle = np.deg2rad(np.clip(rng.normal(0, 0.5), -1, 1) * tilt)
    cos, sin = np.cos(angle), np.sin(angle)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    shape = np.array([[flip * stretch, rng.normal(0, 0.03)], [0.0, 1 / stretch]])
    return height * np.array([[cos, -sin], [sin, cos]]) @ shape


def _clutter(rng: Generator) -> list[Part]:
    """A blob, a bar, or a fragment of an object: things that belong to no class."""
    material = str(rng.choice(['leaf', 'wall', 'paint', 'metal', 'scale', 'sail', 'bark', 'roof']))
    kind = rng.random()
    if kind < 0.4:
        corners = int(rng.integers(5, 12))
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = rng.uniform(0.25, 0.6, corners)
        outline = np.stack([radius * np.cos(turn), radius * np.sin(turn) - 0.4], axis=1)
        return [Part(material, outline)]
    if kind < 0.6:
        return [Part(material, limb((0, 0), (rng.uniform(-1, 1), -1), rng.uniform(0.05, 0.2)))]
    parts = _BUILDERS[rng.integers(len(_BUILDERS))](rng)
    # A small part on its own (a wheel, a window, a fin): never the one that gives the silhouette.
    extents = [float(np.prod(np.ptp(part.outline, axis=0))) for part in parts]
    small = [part for part, e in zip(parts, extents, strict=True) if e < 0.5 * max(extents)]
    part = small[rng.integers(len(small))] if small else Part(material, ellipse(0, -0.5, 0.4, 0.4))
    outline = part.outline - part.outline.mean(axis=0)
    return [Part(part.material, outline * (0.7 / max(float(np.ptp(outline, axis=0).max()), 1e-6)))]


def _background(
    size: tuple[int, int], bands: list[Band], bank: TextureBank, split: str, rng: Generator
) -> np.ndarray:
    """(H, W, 3) uint8: textured strips with gradients and wavy edges, a few clouds or patches."""
    height, width = size
    image = np.empty((height, width, 3), np.uint8)
    x = np.arange(width) / width
    rows = np.arange(height)[:, None]
    top: np.ndarray = np.zeros(width)
    image[:] = sample_color(bands[0].material, split, rng)
    for index, band in enumerate(bands):
        if index:
            wave = rng.uniform(0, 0.02) * np.sin(
                2 * np.pi * (rng.uniform(0.5, 3) * x + rng.random())
            )
            top = (bands[index - 1].bottom + wave) * height
            image[rows >= top] = sample_color(band.material, split, rng)
    for _ in range(int(rng.poisson(2))):
        blob = ellipse(
            rng.uniform(0, width),
            rng.uniform(0, height),
            *(rng.uniform(0.04, 0.2, 2) * (width, height * 0.5)),
        )
        near = next(band.material for band in bands if band.bottom * height >= blob[:, 1].mean())
        color = sample_color('cloud' if near == 'sky' else near, split, rng)
        patch = np.round(blob * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(image, [patch], color, cv2.LINE_AA, _SHIFT)
    relief = np.empty((height, width), np.float32)
    start = 0
    for band in bands:
        stop = round(band.bottom * height)
        tile, left, upper = _tile(bank, rng)
        crop = bank.crop(tile, left, upper, width, max(stop - start, 0))
        relief[start:stop] = rng.uniform(0.02, 0.12) * crop
        ramp = np.linspace(-1, 1, max(stop - start, 1), dtype=np.float32)[: stop - start, None]
        relief[start:stop] += rng.uniform(-0.12, 0.12) * ramp
        start = stop
    return _modulate(image, relief)


def _modulate(image: np.ndarray, relief: np.ndarray) -> np.ndarray:
    """Brighten by a relative relief: (h, w, 3) uint8 and (h, w) float to (h, w, 3) uint8."""
    factor = np.float32(1) + relief[..., None].astype(np.float32)
    # OpenCV draws soft edges into 8-bit images only, so every step goes back to them.
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def _tile(bank: TextureBank, rng: Generator) -> tuple[int, int, int]:
    """A random tile and offset (tile, left, top)."""
    return int(rng.integers(len(bank.tiles))), int(rng.integers(TILE)), int(rng.integers(TILE))


def _light(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Brightness gradient over the image, exposure, and sensor noise; (H, W, 3) uint8."""
    height, width = image.shape[:2]
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.25)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    light = rng.uniform(0.85, 1.1) + strength * (
        np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    )
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    lit = image * light[..., None].astype(np.float32) + rng.uniform(1, 6) * noise
    return np.clip(lit, 0, 255).astype(np.uint8)
