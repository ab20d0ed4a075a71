"""Feature maps read at image points (PixelNet, arXiv 1609.06694, sec. 3.1).

One convention for all: cell i of a map of stride s covers the pixels s i to s i + s - 1, so its centre is
at (i + 1/2) s - 1/2 in the coordinates of pixel centres. Between centres maps are interpolated
linearly, beyond the outer ones they are constant. That does not depend on the image's size: where it is
no multiple of the stride, the ratio of sizes, which ``F.interpolate`` goes by, is not the stride.

Shape legend: N images of (H, W) pixels, maps of C channels and (h, w) cells, P points an image, each
(x, y).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_points(features: Tensor, points: Tensor, stride: int) -> Tensor:
    """Interpolate a map at points, without building it at full resolution.

    Args:
        features: (N, C, h, w) map.
        points: (N, P, 2) coordinates (x, y) in pixels, whole numbers at pixel centres. No gradient.
        stride: Pixels a cell.

    Returns:
        (N, C, P) values.
    """
    n, c, h, w = features.shape
    x = ((points[..., 0] + 0.5) / stride - 0.5).clamp(0, w - 1)
    y = ((points[..., 1] + 0.5) / stride - 0.5).clamp(0, h - 1)
    left, top = x.floor(), y.floor()
    right_share, low_share = x - left, y - top
    columns = torch.stack([left, (left + 1).clamp(max=w - 1)], dim=-1)
    rows = torch.stack([top, (top + 1).clamp(max=h - 1)], dim=-1)
    column_weights = torch.stack([1 - right_share, right_share], dim=-1)
    row_weights = torch.stack([1 - low_share, low_share], dim=-1)
    image = torch.arange(n, device=features.device).view(n, 1, 1, 1) * (h * w)
    cells = image + rows.long().unsqueeze(-1) * w + columns.long().unsqueeze(-2)
    weights = row_weights.unsqueeze(-1) * column_weights.unsqueeze(-2)
    # A point is a weighted sum of four rows of the table of cells: whole rows lie together in memory,
    # which grid_sample, running over the channels of each point, does not make use of.
    values = F.embedding_bag(
        cells.view(-1, 4),
        features.permute(0, 2, 3, 1).reshape(-1, c),
        per_sample_weights=weights.view(-1, 4).to(features.dtype),
        mode='sum',
    )
    return values.view(n, -1, c).transpose(1, 2)


def upsample_by_stride(features: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
    """Interpolate a map at every pixel: :func:`sample_points` on the whole grid.

    Args:
        features: (N, C, h, w) map.
        stride: Pixels a cell.
        size: (H, W) of the image.

    Returns:
        (N, C, H, W) values.
    """
    h, w = features.shape[-2:]
    if stride > 1:
        features = F.interpolate(
            features, size=(h * stride, w * stride), mode='bilinear', align_corners=False
        )
    features = features[..., : size[0], : size[1]]
    missing = [wanted - found for wanted, found in zip(size, features.shape[-2:], strict=True)]
    if any(missing):
        features = F.pad(features, (0, missing[1], 0, missing[0]), mode='replicate')
    return features


def pixel_grid(
    size: tuple[int, int], stride: int = 1, device: torch.device | str | None = None
) -> Tensor:
    """Centres of all cells of ``stride`` pixels that begin inside an image, row by row.

    Args:
        size: (H, W) of the image.
        stride: Pixels a cell; 1 gives all pixels.
        device: Where to put them.

    Returns:
        (1, ceil(H / stride) * ceil(W / stride), 2) coordinates (x, y).
    """
    y, x = ((torch.arange(0, length, stride, device=device) + (stride - 1) / 2) for length in size)
    return torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).view(1, -1, 2)
