"""Relief of shape scenes: things become domes, with surface normals and the shading of one light.

Normals are x to the right, y up, z to the viewer.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from labelenc_mm.shape_scenes.rendering import Sprite

LIGHT = np.array([-0.5, 0.6, 0.62], np.float32) / np.linalg.norm([-0.5, 0.6, 0.62])
"""Direction to the light: from the upper left, before the picture."""

AMBIENT = 0.45
"""Share of the light that comes from everywhere."""

BULGE = 0.7
"""Height of a dome beside its radius."""


def scene_normals(
    size: tuple[int, int], sprites: Sequence[Sprite], visible: Sequence[np.ndarray]
) -> np.ndarray:
    """Normals of domes on a flat ground.

    Args:
        size: (H, W).
        sprites: What is drawn, from back to front.
        visible: What is seen of each, (h, w) bool in its window.

    Returns:
        (H, W, 3) float32 unit vectors.
    """
    normals = np.zeros((*size, 3), np.float32)
    normals[..., 2] = 1
    for sprite, mask in zip(sprites, visible, strict=True):
        left, top, right, bottom = sprite.window
        normals[top:bottom, left:right][mask] = dome_normals(sprite.covered)[mask]
    return normals


def dome_normals(mask: np.ndarray) -> np.ndarray:
    """Normals of a dome over a (h, w) bool mask: (h, w, 3) float32 unit vectors.

    At the distance d from the outline the dome is as high as a flattened ball of the mask's largest radius.
    Where the mask is narrower it is a ridge.
    """
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    radius = float(distance.max())
    height = BULGE * np.sqrt(distance * (2 * radius - distance))
    by_row, by_column = np.gradient(height)
    normals = np.stack([-by_column, by_row, np.ones_like(height)], axis=2)
    return normals / np.linalg.norm(normals, axis=2, keepdims=True)


def shade(image: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Light a (H, W, 3) uint8 picture by the normals of its pixels; flat ground stays as it is."""
    lit = np.maximum(normals @ LIGHT, 0) / LIGHT[2]
    factor = AMBIENT + (1 - AMBIENT) * lit
    return np.clip(image * factor[..., None], 0, 255).astype(np.uint8)


def to_colors(normals: np.ndarray) -> np.ndarray:
    """(H, W, 3) unit vectors as uint8 RGB, (v - 128) / 127, as NYUNormalDataset has them."""
    return np.round(128 + 127 * normals).astype(np.uint8)
