"""How far a picture is from the right one, in gray levels from 0 to 255."""

import torch
from torch import Tensor


def rmse(picture: Tensor, clean: Tensor) -> float:
    """Root of the mean squared error of two (3, h, w) pictures."""
    return float((picture.double() - clean.double()).square().mean().sqrt())


def psnr(picture: Tensor, clean: Tensor) -> float:
    """Peak signal-to-noise ratio of two (3, h, w) pictures in dB, at most 168."""
    error = (picture.double() - clean.double()).square().mean().clamp(min=1e-12)
    return float(10 * torch.log10(255**2 / error))
