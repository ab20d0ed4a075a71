"""The distance between two feature pyramids of LabelEnc (ECCV 2020, Eq. 10).

Shape legend: N images, C channels, (h_l, w_l) size of level l, M_l = C * h_l * w_l.

Both sides are standardised per image and level over (C, h, w), padding included, without affine
parameters, and compared by the mean squared error over all elements of all levels (the released code;
the paper writes a sum), which weights level l by M_l. For standardised x and y the mean squared error
is var(x) + var(y) - 2 cov(x, y), i.e. 2 (1 - rho) with Pearson's correlation rho: a few reductions per
level, no standardised copies and no concatenation of levels.

By channels, each is standardised over (N, h, w) instead, as in PKD (Cao et al., NeurIPS 2022), so that
channels and images of large values do not count for more; PKD's code sums half the errors of the levels,
which then weigh the same.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_EPS = 1e-5  # of PyTorch's GroupNorm, which the released code uses for the standardisation


def feature_distance(
    features: Sequence[Tensor], targets: Sequence[Tensor], by_channel: bool = False
) -> tuple[Tensor, Tensor]:
    """Compare two pyramids, in float32 whatever the dtype of the input.

    Args:
        features: Levels of shape (N, C, h_l, w_l).
        targets: Levels of the same shapes; gradients flow into both sides.
        by_channel: Whether to standardise each channel over (N, h, w), not each image over (C, h, w).

    Returns:
        The distance, a scalar in [0, 4], and (L,) correlations in [-1, 1], one per level, averaged
        over images (or channels) and without gradient.

    Raises:
        ValueError: If the levels do not match.
    """
    shapes = [tuple(level.shape) for level in features]
    target_shapes = [tuple(level.shape) for level in targets]
    if shapes != target_shapes:
        raise ValueError(f'levels differ: features {shapes}, targets {target_shapes}')
    total = features[0].new_zeros((), dtype=torch.float32)
    correlations = []
    for feature, target in zip(features, targets, strict=True):
        # float32 from here on: float16 would overflow in the sums.
        with torch.autocast(feature.device.type, enabled=False):
            sides = [
                (level.transpose(0, 1) if by_channel else level).float().flatten(1)
                for level in (feature, target)
            ]
            distance, rho = _level_distance(*sides)
        total = total + distance.sum() * sides[0].shape[1]
        correlations.append(rho.detach().mean())
    num_elements = sum(level.numel() for level in features)
    return total / num_elements, torch.stack(correlations)


def _level_distance(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error of the standardised rows of two (N, M) matrices, and their correlation."""
    x = x - x.mean(1, keepdim=True)
    y = y - y.mean(1, keepdim=True)
    var_x, var_y, cov = (x * x).mean(1), (y * y).mean(1), (x * y).mean(1)
    # eps enters as in a normalisation layer, which keeps constant features finite.
    norm_x, norm_y = var_x + _EPS, var_y + _EPS
    rho = cov * torch.rsqrt(norm_x) * torch.rsqrt(norm_y)
    return var_x / norm_x + var_y / norm_y - 2 * rho, rho


def likeness_of_images(levels: Sequence[Tensor]) -> float:
    """How alike the features of different images are, standardised as above.

    Args:
        levels: Features of shape (N, C, h_l, w_l), N at least 2.

    Returns:
        The mean correlation of any two images, of the level where it is lowest: 1 where all have the same
        features, also where these are constant or not finite.
    """
    means = []
    for level in levels:
        with torch.autocast(level.device.type, enabled=False):
            matrix = torch.corrcoef(level.float().flatten(1)).nan_to_num(1.0)
        means.append((matrix.sum() - matrix.trace()) / (matrix.numel() - len(matrix)))
    return float(torch.stack(means).min())
