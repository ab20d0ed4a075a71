"""Parts of drawn objects: filled polygons, and the primitives that build them."""

from typing import NamedTuple

import numpy as np


class Part(NamedTuple):
    """A filled polygon: outline (P, 2) in the frame of the object, and what it is made of."""

    material: str
    outline: np.ndarray


def polygon(*points: tuple[float, float]) -> np.ndarray:
    """(P, 2) outline through the given (x, y) points."""
    return np.array(points, dtype=np.float64)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """(4, 2) outline of an upright rectangle."""
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def ellipse(x: float, y: float, radius_x: float, radius_y: float, corners: int = 20) -> np.ndarray:
    """(corners, 2) outline of an upright ellipse around (x, y)."""
    turn = np.arange(corners) * (2 * np.pi / corners)
    return np.stack([x + radius_x * np.cos(turn), y + radius_y * np.sin(turn)], axis=1)


def limb(start: tuple[float, float], end: tuple[float, float], width: float) -> np.ndarray:
    """(4, 2) outline of a straight bar of the given width."""
    direction = np.subtract(end, start)
    length = max(float(np.hypot(*direction)), 1e-6)
    side = np.array([-direction[1], direction[0]]) * (width / 2 / length)
    return np.stack([start + side, end + side, end - side, start - side])
