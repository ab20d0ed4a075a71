"""The augmentation of "Regularizing Deep Networks by Modeling and Predicting Label Structure" (CVPR 2018,
sec. 4.1), for an image and its label map alike.
"""

import math

import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS

_ATTEMPTS = 10  # as many boxes are tried as in torchvision


@TRANSFORMS.register_module()
class JointRandomResizedCrop(Resize):
    """Cut a box of random area and aspect ratio out of image and label map and resize it.

    The paper works in PyTorch and describes torchvision's ``RandomResizedCrop`` in the words of its
    documentation. The box is drawn by the same rules: area uniform, aspect ratio (width / height) uniform
    in its logarithm; if none of ten fits into the image, the largest central box whose aspect ratio
    is allowed.

    Image and label maps are cut by the same box, so there is no padding and no void beside the map's
    own. They are resized by mmseg's ``Resize``: images bilinear, label maps nearest neighbour.

    Args:
        scale: Size of the result as (width, height), or the side of a square.
        area_range: Area of the box as a share of the image's, uniform (sec. 4.1).
        aspect_range: Width / height of the box, uniform in its logarithm (sec. 4.1).
        kwargs: Of mmseg's ``Resize``, e.g. ``interpolation``.

    Raises:
        ValueError: A range is empty or beyond what an image can hold.
    """

    def __init__(
        self,
        scale: int | tuple[int, int],
        area_range: tuple[float, float] = (0.08, 1.0),
        aspect_range: tuple[float, float] = (3 / 4, 4 / 3),
        **kwargs: str,
    ) -> None:
        super().__init__(scale=scale, keep_ratio=False, **kwargs)
        if not 0 < area_range[0] <= area_range[1] <= 1:
            raise ValueError(
                f'area_range={area_range} must be two shares, 0 < smaller <= larger <= 1'
            )
        if not 0 < aspect_range[0] <= aspect_range[1]:
            raise ValueError(f'aspect_range={aspect_range} must be 0 < smaller <= larger')
        self.area_range = area_range
        self.aspect_range = aspect_range

    @cache_randomness
    def draw_box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw a box in an image of (height, width) pixels: (top, left, height, width)."""
        height, width = size
        log_aspects = np.log(self.aspect_range)
        for _ in range(_ATTEMPTS):
            area = height * width * np.random.uniform(*self.area_range)  # noqa: NPY002
            aspect = math.exp(np.random.uniform(*log_aspects))  # noqa: NPY002
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = np.random.randint(height - h + 1)  # noqa: NPY002
                left = np.random.randint(width - w + 1)  # noqa: NPY002
                return top, left, h, w
        narrowest, widest = self.aspect_range
        w = max(min(width, round(height * widest)), 1)
        h = max(min(height, round(width / narrowest)), 1)
        return (height - h) // 2, (width - w) // 2, h, w

    def transform(self, results: dict) -> dict:
        """Cut ``img`` and the label maps named in ``seg_fields``, then resize them."""
        top, left, height, width = self.draw_box(results['img'].shape[:2])
        for key in ('img', *results.get('seg_fields', [])):
            results[key] = results[key][top : top + height, left : left + width]
        return super().transform(results)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, area_range={self.area_range}, '
            f'aspect_range={self.aspect_range}, interpolation={self.interpolation})'
        )
