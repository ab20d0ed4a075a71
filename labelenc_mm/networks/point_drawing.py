"""Points of images to train at (PixelNet, arXiv 1609.06694, sec. 3): uniform, or with a share of positives.

Nothing here waits for a GPU, and shapes depend on nothing but the arguments' shapes.

Shape legend: N images of (H, W) pixels, P points an image, or H W if that is less.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class DrawnPoints(NamedTuple):
    """Pixels, drawn ones all different; where an image has fewer candidates, the rest is filler."""

    cells: Tensor
    """(N, P) int64 numbers of pixels, row by row."""
    is_drawn: Tensor
    """(N, P) bool; False for filler, which is not to be learned from."""

    def coordinates(self, width: int) -> Tensor:
        """(N, P, 2) coordinates (x, y) in images of this width."""
        xy = torch.stack([self.cells % width, self.cells // width], dim=-1)
        return xy.to(torch.get_default_dtype())


def draw_uniform(candidates: Tensor, num_points: int) -> DrawnPoints:
    """Draw pixels uniformly and without replacement.

    Args:
        candidates: (N, H, W) bool, the pixels that may be drawn.
        num_points: P.
    """
    return _draw(torch.rand(candidates.shape, device=candidates.device), candidates, num_points)


def draw_balanced(
    candidates: Tensor, positive: Tensor, num_points: int, share: float
) -> DrawnPoints:
    """Draw pixels of which a share is positive, uniformly within both kinds.

    Args:
        candidates: (N, H, W) bool, the pixels that may be drawn.
        positive: (N, H, W) bool.
        num_points: P.
        share: Of the points, those that are positive. Where an image has too few of one kind, more of the
            other are drawn in their place.
    """
    keys = torch.rand(candidates.shape, device=candidates.device)
    positives = _draw(keys, candidates & positive, num_points)
    negatives = _draw(keys, candidates & ~positive, num_points)
    number = positives.cells.shape[1]
    found = positives.is_drawn.sum(1, keepdim=True)
    missing = number - negatives.is_drawn.sum(1, keepdim=True)
    taken = torch.minimum(missing.clamp(min=round(share * number)), found)
    rank = torch.arange(number, device=candidates.device).expand_as(positives.cells)
    rest = (rank - taken).clamp(min=0)
    return DrawnPoints(
        *(
            torch.where(rank < taken, of_positives, of_negatives.gather(1, rest))
            for of_positives, of_negatives in zip(positives, negatives, strict=True)
        )
    )


def without_border(
    candidates: Tensor,
    border: int | Sequence[int],
    sizes: Sequence[tuple[int, int]] | None = None,
) -> Tensor:
    """The (N, H, W) candidates without those in a margin of each image, and without padding.

    Args:
        candidates: (N, H, W) bool.
        border: Width of the margin in pixels, of all images or of each.
        sizes: (height, width) of each image, which is padded on the right and below; by default (H, W).
    """
    whole = (candidates.shape[-2], candidates.shape[-1])
    sizes = [whole] * len(candidates) if sizes is None else sizes
    borders = [border] * len(candidates) if isinstance(border, int) else border
    if max(borders, default=0) <= 0 and all(size == whole for size in sizes):
        return candidates
    inside = torch.zeros_like(candidates)
    for image, margin, (height, width) in zip(inside, borders, sizes, strict=True):
        margin = max(margin, 0)
        image[margin : max(height - margin, 0), margin : max(width - margin, 0)] = True
    return candidates & inside


def _draw(keys: Tensor, candidates: Tensor, num_points: int) -> DrawnPoints:
    """The candidates with the largest keys, all of which are positive."""
    number = min(num_points, candidates[0].numel())
    drawn = keys.masked_fill(~candidates, -1).flatten(1).topk(number)
    return DrawnPoints(drawn.indices, drawn.values >= 0)
