"""Pixel prediction: the layer that takes the place of a decode head's classifier in pretraining."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_DEEP_CELL = 32
"""Pixels a cell, in one direction, of the last map of most encoders."""


class PixelPrediction(nn.Module):
    """Predict three numbers for every pixel from a feature map of any stride.

    A 1x1 convolution to ``3 stride^2`` channels, which a pixel shuffle lays out. Three channels that are
    upsampled instead could not follow white noise: a map of stride s has 1 / s^2 of its degrees of freedom.

    Args:
        in_channels: Of the features.
        stride: Pixels of the image a cell, in both directions.
        out_channels: Numbers a pixel.
    """

    def __init__(self, in_channels: int, stride: int, out_channels: int = 3) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(in_channels, out_channels * stride**2, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, out_channels, h * stride, w * stride)."""
        return F.pixel_shuffle(self.conv(features), self.stride)


def crop_to(maps: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Cut off what a map of whole cells has more than an image.

    The cells are those of any map that the head begins with: a U-Net predicts single pixels, as many as the
    finest of its encoder's maps covers.

    Args:
        maps: (N, C, H, W) predictions.
        size: (H, W) of the images.

    Raises:
        ValueError: The map is smaller, or larger by a cell of a deep map or more.
    """
    height, width = maps.shape[-2:]
    spare = height - size[0], width - size[1]
    if not all(0 <= pixels < _DEEP_CELL for pixels in spare):
        raise ValueError(
            f'images of {tuple(size)} pixels (height, width) gave predictions of {(height, width)}: this '
            'model needs sizes that are multiples of its strides; set data_preprocessor.size_divisor (and '
            'test_cfg=dict(size_divisor=...) in it)'
        )
    return maps[..., : size[0], : size[1]]
