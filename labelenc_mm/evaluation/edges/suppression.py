"""Non-maximum suppression across the direction of an edge: from soft, thick edges to ridges.

The published form (Dollár and Zitnick, PAMI 2015, released with structured edges; used for HED and PixelNet). With T_r
a triangle filter of radius r, reflected at the border:

    E = T_1 * map
    θ = arctan(sign(-S_xy) S_yy / (S_xx + 1e-5)) mod π,  S = T_4 * E, second differences of it

The sign of 0 is 1: as 0, which the published tool has, it would make an exactly horizontal edge a vertical one.

A pixel stays if 1.01 times its E is at least that of the two points at a distance of 1 along θ, read
bilinearly. Strengths within 5 pixels of the border are damped linearly to 0, where responses are noise.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

_MARGIN = 1e-3  # points beyond the last pixel are read this much before it
_FLAT = 1e-5  # keeps the quotient finite where nothing bends


def suppress_non_maxima(
    strength: NDArray[np.floating],
    orientation_radius: int = 4,
    multiplier: float = 1.01,
    border: int = 5,
) -> NDArray[np.float32]:
    """Keep the ridges of an edge map.

    Args:
        strength: (H, W), not negative.
        orientation_radius: Of the triangle under which directions are measured, in pixels.
        multiplier: By how much a neighbour must be stronger to suppress a pixel.
        border: Width in pixels of the damped margin.

    Returns:
        (H, W) smoothed strengths, 0 beside the ridges.
    """
    smooth = _triangle(np.asarray(strength, np.float32), 1)
    height, width = smooth.shape
    if min(height, width) < 2:
        raise ValueError(f'an edge map of (height, width) {smooth.shape}: it has no direction')
    angle = _orientation(_triangle(smooth, orientation_radius))
    rows, columns = np.nonzero(smooth)
    along_x, along_y = np.cos(angle[rows, columns]), np.sin(angle[rows, columns])
    own = smooth[rows, columns] * np.float32(multiplier)
    keeps = np.ones(len(rows), bool)
    for side in (-1, 1):
        keeps &= own >= _read(smooth, columns + side * along_x, rows + side * along_y)
    ridges = np.zeros_like(smooth)
    ridges[rows[keeps], columns[keeps]] = smooth[rows[keeps], columns[keeps]]
    margin = min(border, height // 2, width // 2)
    if margin:
        damping = [
            np.minimum(np.minimum(i := np.arange(n), i[::-1]) / margin, 1) for n in ridges.shape
        ]
        ridges *= np.outer(*damping).astype(np.float32)
    return ridges


def _triangle(image: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """The image under a triangle filter that sums to 1."""
    kernel = np.convolve(*[np.full(radius + 1, 1 / (radius + 1))] * 2)
    return cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT)


def _orientation(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Angle across the ridges, from the x axis towards the y axis, which points down."""
    dy, dx = np.gradient(image)
    dxx = np.gradient(dx, axis=1)
    dxy, dyy = np.gradient(dy, axis=1), np.gradient(dy, axis=0)
    sign = np.where(dxy > 0, -1, 1)
    return np.mod(np.arctan(dyy * sign / (dxx + _FLAT)), np.pi)


def _read(
    image: NDArray[np.float32], x: NDArray[np.floating], y: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Bilinear values at points, the nearest of those inside for points outside."""
    height, width = image.shape
    x, y = x.clip(0, width - 1 - _MARGIN), y.clip(0, height - 1 - _MARGIN)
    column, row = x.astype(np.int64), y.astype(np.int64)
    right, down = x - column, y - row
    upper = image[row, column] * (1 - right) + image[row, column + 1] * right
    lower = image[row + 1, column] * (1 - right) + image[row + 1, column + 1] * right
    return upper * (1 - down) + lower * down
