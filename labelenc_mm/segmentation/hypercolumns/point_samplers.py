"""Samplers of points: at which pixels a hypercolumn head trains (``sampler=dict(type=...)``)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from mmseg.registry import TASK_UTILS
from torch import Tensor

from labelenc_mm.networks.point_drawing import (
    DrawnPoints,
    draw_balanced,
    draw_uniform,
    without_border,
)
from labelenc_mm.segmentation.hypercolumns.pixel_targets import PixelTargets

Sizes = Sequence[tuple[int, int]]
"""(height, width) of each image of a batch, without its padding on the right and below."""


class PointSampler(ABC):
    """Draws points of every image of a batch.

    Args:
        num_points: Points an image.
        border: Width in pixels of a margin of each image, without its padding, in which no point is drawn.
    """

    needs_positives = False
    """Whether it asks the targets which pixels are positive."""

    def __init__(self, num_points: int, border: int = 0) -> None:
        if num_points < 1:
            raise ValueError(
                f'num_points={num_points} of {type(self).__name__}: give a positive number, or no sampler '
                'to train at all pixels'
            )
        self.num_points = num_points
        self.border = border

    @abstractmethod
    def draw(self, targets: PixelTargets, maps: Tensor, sizes: Sizes | None = None) -> DrawnPoints:
        """Draw among the pixels whose target is known.

        Args:
            targets: What tells these pixels.
            maps: What ``targets.read`` gave.
            sizes: Of the images in them, from whose own edges the border is counted; by default nothing is
                padding.
        """

    def candidates(self, targets: PixelTargets, maps: Tensor, sizes: Sizes | None = None) -> Tensor:
        """(N, H, W) bool: the pixels that may be drawn. Of an image that the border takes there are none.

        Raises:
            ValueError: The border leaves nothing of an image that fills the batch.
        """
        size = tuple(maps.shape[-2:])
        if 2 * self.border >= min(size):
            raise ValueError(
                f'border={self.border} of {type(self).__name__} leaves no pixel of images of {size} pixels '
                '(height, width): lessen it with the crop'
            )
        return without_border(targets.is_known(maps), self.border, sizes)


@TASK_UTILS.register_module()
class UniformPointSampler(PointSampler):
    """All pixels with a target are as likely (PixelNet for labels and normals, colorization)."""

    def draw(self, targets: PixelTargets, maps: Tensor, sizes: Sizes | None = None) -> DrawnPoints:
        """Draw, as :meth:`PointSampler.draw` says."""
        return draw_uniform(self.candidates(targets, maps, sizes), self.num_points)


@TASK_UTILS.register_module()
class BalancedPointSampler(PointSampler):
    """A share of the points is positive, for targets of which few are (PixelNet for edges, Table 6).

    Where an image has too few of one kind, points of the other take their place.

    Args:
        num_points: Points an image.
        border: Width in pixels of a margin of each image, without its padding, in which no point is drawn.
        positive_share: Share of the points that are positive. The paper tries 1/4, 1/2 and 3/4, with
            hardly a difference.
    """

    needs_positives = True

    def __init__(self, num_points: int, border: int = 0, positive_share: float = 0.5) -> None:
        super().__init__(num_points, border)
        if not 0 <= positive_share <= 1:
            raise ValueError(f'positive_share={positive_share} is no share: give 0 to 1')
        self.positive_share = positive_share

    def draw(self, targets: PixelTargets, maps: Tensor, sizes: Sizes | None = None) -> DrawnPoints:
        """Draw, as :meth:`PointSampler.draw` says."""
        candidates = self.candidates(targets, maps, sizes)
        positive = targets.is_positive(maps)
        return draw_balanced(candidates, positive, self.num_points, self.positive_share)
