"""What of a batch is image and what is padding, and means over the images alone."""

from collections.abc import Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor


def inside_images(inputs: Tensor, data_samples: Sequence[SegDataSample]) -> Tensor | None:
    """(N, 1, H, W) which pixels of a batch are no padding, None if none is.

    Args:
        inputs: (N, C, H, W) batch, padded on the right and below.
        data_samples: N samples; ``img_shape`` is the size without.
    """
    height, width = inputs.shape[-2:]
    sizes = [tuple(sample.metainfo['img_shape'][:2]) for sample in data_samples]
    if all(size == (height, width) for size in sizes):
        return None
    heights, widths = torch.tensor(sizes, device=inputs.device).T[..., None, None, None]
    rows = torch.arange(height, device=inputs.device)[:, None]
    columns = torch.arange(width, device=inputs.device)
    return (rows < heights) & (columns < widths)


def mean_inside(errors: Tensor, inside: Tensor | None) -> Tensor:
    """Mean of an (N, C, H, W) map over the pixels of the images."""
    if inside is None:
        return errors.mean()
    return (errors * inside).sum() / (inside.sum() * errors.shape[1])


def image_moments(images: Tensor, inside: Tensor | None) -> Tensor:
    """(2, C): mean and mean square of each channel of (N, C, H, W) images, without their padding."""
    images = images.detach().float()
    if inside is None:
        return torch.stack([images.mean((0, 2, 3)), images.square().mean((0, 2, 3))])
    number = inside.sum()
    images = images * inside
    return torch.stack([images.sum((0, 2, 3)), images.square().sum((0, 2, 3))]) / number
