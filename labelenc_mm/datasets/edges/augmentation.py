"""HED's augmentation of edge data (Xie and Tu, ICCV 2015, sec. 4.1), which PixelNet takes over (sec. 5.3).

Every image is turned to 16 angles and cut to the largest upright rectangle without a border, mirrored, and
resized to one of the scales. Label maps are turned and resized so that they hold the labels that they had.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS
from numpy.typing import NDArray

from labelenc_mm.labels import VOID

# An edge of a pixel must not get lost, and whoever drew it beside it is unsure of both: edge, void, none.
_STRENGTHS = np.zeros(256, np.uint8)
_STRENGTHS[[VOID, 1]] = 1, 2
_LABELS = np.array([0, VOID, 1], np.uint8)


@TRANSFORMS.register_module()
class RandomTurn(BaseTransform):
    """Turn image and label maps to a random angle and cut the largest upright rectangle without a border.

    Images are interpolated bilinearly, label maps take the nearest pixel.

    Args:
        num_angles: Angles at equal distances of the full circle, 0 among them; each is as likely.

    Raises:
        ValueError: There are none.
    """

    def __init__(self, num_angles: int = 16) -> None:
        if num_angles < 1:
            raise ValueError(f'RandomTurn.num_angles={num_angles} must be at least 1')
        self.num_angles = num_angles

    @cache_randomness
    def draw_angle(self) -> float:
        """Draw an angle in radians."""
        return 2 * math.pi * np.random.randint(self.num_angles) / self.num_angles  # noqa: NPY002

    def transform(self, results: dict) -> dict:
        """Turn ``img`` and the maps named in ``seg_fields``."""
        angle = self.draw_angle()
        if angle:
            results['img'] = turn(results['img'], angle, cv2.INTER_LINEAR)
            for key in results.get('seg_fields', []):
                results[key] = turn(results[key], angle, cv2.INTER_NEAREST)
            results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_angles={self.num_angles})'


@TRANSFORMS.register_module()
class ResizeWithEdges(Resize):
    """Resize an image as mmseg's ``Resize`` and its label maps so that no edge is lost.

    Edges are lines of one pixel, of which nearest neighbours at half the size drop every second one. Each
    pixel of the large map falls into one of the small map, which is an edge if any of them is, else void if
    any is.

    Args:
        scales: Factors, of which one is drawn for each image; PixelNet's are 0.5 and 1.
        kwargs: Of mmseg's ``Resize`` but for the size, e.g. ``interpolation``.

    Raises:
        ValueError: There are no scales, or one is not positive.
    """

    def __init__(self, scales: Sequence[float] = (0.5, 1.0), **kwargs: str) -> None:
        if not scales or min(scales) <= 0:
            raise ValueError(f'ResizeWithEdges.scales={scales} must be positive factors')
        super().__init__(scale_factor=1.0, **kwargs)
        self.scales = tuple(scales)

    @cache_randomness
    def draw_scale(self) -> float:
        """Draw a factor."""
        return self.scales[np.random.randint(len(self.scales))]  # noqa: NPY002

    def transform(self, results: dict) -> dict:
        """Resize ``img`` and the maps named in ``seg_fields``."""
        height, width = results['img'].shape[:2]
        factor = self.draw_scale()
        results['scale'] = tuple(max(round(length * factor), 1) for length in (width, height))
        self._resize_img(results)
        self._resize_seg(results)
        return results

    def _resize_seg(self, results: dict) -> None:
        fields = results.get('seg_fields', [])
        if 'gt_edge_map' in fields:
            scale = results['scale'][::-1]
            results['gt_edge_map'] = resize_edge_map(results['gt_edge_map'], scale)
        others = {**results, 'seg_fields': [key for key in fields if key != 'gt_edge_map']}
        super()._resize_seg(others)
        results.update({key: others[key] for key in others['seg_fields']})

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scales={self.scales}, interpolation={self.interpolation})'


def turn(image: NDArray, angle: float, interpolation: int) -> NDArray:
    """Turn an image about its middle and cut the largest upright rectangle that it fills.

    Args:
        image: (H, W) or (H, W, C).
        angle: In radians, from the x axis towards the y axis, which points down.
        interpolation: One of OpenCV's.
    """
    height, width = image.shape[:2]
    cos, sin = math.cos(angle), math.sin(angle)
    # Between the outermost pixels there is one pixel less than there are pixels.
    w, h = (int(length + 1e-6) for length in largest_rectangle(width - 1, height - 1, angle))
    # Where a pixel of the result lies in the image.
    x, y = (width - 1 - cos * w - sin * h) / 2, (height - 1 + sin * w - cos * h) / 2
    matrix = np.array([[cos, sin, x], [-sin, cos, y]])
    return cv2.warpAffine(
        image,
        matrix,
        (w + 1, h + 1),
        flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def largest_rectangle(width: float, height: float, angle: float) -> tuple[float, float]:
    """Sides (width, height) of the largest upright rectangle in a turned one.

    Its corners lie on the sides of the turned rectangle: on all four of them, or, where that is long and
    narrow, on its two long sides alone.
    """
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    longer, shorter = max(width, height), min(width, height)
    if shorter <= 2 * sin * cos * longer + 1e-9:
        # The middle of a long side on its corner: the area is that of a triangle of the height `shorter`.
        half = shorter / 2
        sides = half / sin, half / cos
        return sides if width >= height else sides[::-1]
    spread = cos * cos - sin * sin
    return (width * cos - height * sin) / spread, (height * cos - width * sin) / spread


def resize_edge_map(edges: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize labels 0, 1 and void so that of the pixels that fall into one the strongest counts.

    Args:
        edges: (H, W).
        size: (height, width) of the result.
    """
    strengths = _STRENGTHS[edges]
    for axis, length in enumerate(size):
        starts = np.arange(length) * edges.shape[axis] // length
        strengths = np.maximum.reduceat(strengths, starts, axis=axis)
    return _LABELS[strengths]
