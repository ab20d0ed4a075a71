"""Colors in three forms: RGB, hue and chroma (Larsson et al., ECCV 2016), L*a*b*.

Shape legend: channels are the second dimension, (N, 3, …); components alone are (N, …). RGB lies in [0, 1],
as it is in files (sRGB). No function has a NaN, for gray and black neither; colors keep their dtype under
autocast, too.
"""

import math

import torch
from torch import Tensor

# sRGB -> CIE XYZ under D65, each row divided by the white point (IEC 61966-2-1; CIE 15).
_WHITE = torch.tensor([0.95047, 1.0, 1.08883])
_TO_XYZ = torch.tensor(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_EDGE = 6 / 29  # of L*a*b*'s cube root and the line that replaces it for dark colors


def hue_and_chroma(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Hue of HSV in [0, 1), 0 where there is none, and chroma, max - min, in [0, 1]."""
    red, green, blue = rgb.unbind(1)
    largest, chroma = rgb.amax(1), rgb.amax(1) - rgb.amin(1)
    divisor = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    sixths = torch.where(
        largest == red,
        (green - blue) / divisor,
        torch.where(largest == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hue = (sixths / 6).remainder(1)
    # A tiny negative number is rounded to 1 by the remainder.
    return torch.where((chroma > 0) & (hue < 1), hue, torch.zeros_like(hue)), chroma


def from_hue_and_chroma(hue: Tensor, chroma: Tensor, gray: Tensor) -> Tensor:
    """(N, 3, …) RGB of a hue and a chroma whose mean over the channels is ``gray``, as far as there is one.

    Where no such color is in [0, 1], the chroma is less.
    """
    sixths = hue * 6
    wave = torch.stack([(sixths - 3).abs() - 1, 2 - (sixths - 2).abs(), 2 - (sixths - 4).abs()], 1)
    return around_gray(wave.clamp(0, 1) * chroma.unsqueeze(1), gray)


def around_gray(rgb: Tensor, gray: Tensor) -> Tensor:
    """(N, 3, …) RGB shifted to (N, …) a mean over the channels, and drawn to it as far as [0, 1] asks for."""
    gray = gray.unsqueeze(1)
    away = rgb - rgb.mean(1, keepdim=True)
    room = torch.where(away > 0, 1 - gray, gray) / away.abs().clamp(min=1e-12)
    return (gray + away * room.amin(1, keepdim=True).clamp(max=1)).clamp(0, 1)


def hue_vectors(bins: int, device: torch.device | None = None) -> Tensor:
    """(bins, 2): the directions of the hues at the centres of so many bins."""
    angles = 2 * math.pi * (torch.arange(bins, device=device) + 0.5) / bins
    return torch.stack([angles.cos(), angles.sin()], -1)


def to_lab(rgb: Tensor) -> Tensor:
    """(N, 3, …) L* in [0, 100], a* and b* of sRGB, under D65."""
    linear = torch.where(
        rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92
    )
    xyz = _mix(_TO_XYZ / _WHITE[:, None], linear)
    root = torch.where(
        xyz > _EDGE**3, xyz.clamp(min=_EDGE**3) ** (1 / 3), xyz / (3 * _EDGE**2) + 4 / 29
    )
    x, y, z = root.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def from_lab(lab: Tensor) -> Tensor:
    """(N, 3, …) RGB, which lies outside [0, 1] where sRGB has no such color."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    root = torch.stack([y + a / 500, y, y - b / 200], 1)
    xyz = torch.where(root > _EDGE, root**3, 3 * _EDGE**2 * (root - 4 / 29))
    # In float32 the inverse would be off by what differs from processor to processor.
    linear = _mix((_TO_XYZ / _WHITE[:, None]).double().inverse(), xyz)
    return torch.where(
        linear > 0.0031308,
        1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055,
        12.92 * linear,
    )


def _mix(matrix: Tensor, colors: Tensor) -> Tensor:
    # Autocast would round the colors.
    with torch.autocast(colors.device.type, enabled=False):
        return torch.einsum('ij,nj...->ni...', matrix.to(colors), colors)
