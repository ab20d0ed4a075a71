"""Filters of a network's first layer for gray images or for color (Larsson et al., CVPR 2017, sec. 4.1)."""

from torch import Tensor


def gray_to_rgb(weight: Tensor) -> Tensor:
    """(K, 1, h, w) filters of gray images -> (K, 3, h, w), which answer alike to the mean of RGB.

    Raises:
        ValueError: They are of other images.
    """
    _check(weight, 1, 'gray images')
    return weight.repeat(1, 3, 1, 1) / 3


def rgb_to_gray(weight: Tensor) -> Tensor:
    """(K, 3, h, w) filters of color images -> (K, 1, h, w), which answer alike to three equal channels.

    They are equal after normalisation: with one mean and one deviation for all channels.

    Raises:
        ValueError: They are of other images.
    """
    _check(weight, 3, 'color images')
    return weight.sum(1, keepdim=True)


def _check(weight: Tensor, channels: int, kind: str) -> None:
    if weight.dim() != 4 or weight.shape[1] != channels:
        raise ValueError(
            f'filters of {kind} have the shape (filters, {channels}, height, width), found '
            f'{tuple(weight.shape)}'
        )
