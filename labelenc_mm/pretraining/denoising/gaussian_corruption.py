"""Gaussian corruption of photos (DDeP, 2022, sec. 3 and 4.1): what the decoder learns to undo.

============  =====================================================  ==========================
form          corrupted image                                        in the paper
============  =====================================================  ==========================
``simple``    ``x + sigma e``                                        eq. 1
``scaled``    ``sqrt(gamma) x + sqrt(1 - gamma) e``                  eq. 5
============  =====================================================  ==========================

``e`` is standard normal noise. Both forms have the same ratio of noise to image where
``gamma = 1 / (1 + sigma^2)``: the second is the first, divided by ``sqrt(1 + sigma^2)``, so that an image of
unit variance keeps it.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor, nn

from labelenc_mm.pretraining.inside_images import image_moments

FORMS = ('scaled', 'simple')
# A range may reach gamma 0, where sigma is infinite, and gamma 1, where its logarithm is.
_SMALLEST_GAMMA = 1e-6
_SMALLEST_SIGMA = 1e-3


class Corrupted(NamedTuple):
    """A corrupted batch: ``noisy = signal * image + noise_scale * noise`` inside the images.

    Attributes:
        noisy: (N, C, H, W) corrupted images.
        noise: (N, C, H, W) standard normal noise.
        signal: (N, 1, 1, 1) factor of the image.
        noise_scale: (N, C or 1, 1, 1) factor of the noise.
        log_sigma: (N,) natural logarithm of the ratio of noise to image.
    """

    noisy: Tensor
    noise: Tensor
    signal: Tensor
    noise_scale: Tensor
    log_sigma: Tensor

    @property
    def relative_noise(self) -> Tensor:
        """(N, C or 1) standard deviation of the noise beside an image that keeps its scale."""
        return (self.noise_scale / self.signal).flatten(1)

    def restore(self, noise: Tensor) -> Tensor:
        """The image, were the noise this."""
        return (self.noisy - self.noise_scale * noise) / self.signal

    def linear_mse(self, variance: Tensor) -> Tensor:
        """What the best denoiser reaches that sees one pixel and channel alone, and is linear.

        It predicts ``e`` with the mean squared error ``s / (s + n)``, where ``s`` and ``n`` are the variances
        of image and noise in the corrupted image (Wiener).

        Args:
            variance: (C,) variance of each channel of the images.

        Returns:
            (N, C): for the noise; times ``n / signal^2`` it is that for the image.
        """
        signal = self.signal.flatten(1).square() * variance
        return signal / (signal + self.noise_scale.flatten(1).square())


@MODELS.register_module()
class GaussianCorruption(nn.Module):
    """Add Gaussian noise to a batch of normalised images, on its device.

    Exactly one of ``gamma`` and ``sigma`` is given; a pair is a range from which each image draws its level
    uniformly (sec. 4.4).

    Noise comes from torch's generator of the device, which ``ReseedHook`` seeds by rank and epoch.

    The paper takes images for having unit variance and does not say how they are normalised. Under
    ImageNet's mean and standard deviation photos have a variance of about 1.3, scaled to [-1, 1] about 0.26:
    the same gamma is five times less noise for the one than for the other, relative to the picture.

    Args:
        gamma: Share of the image in the variance, between 0 and 1 (0.95 in the paper).
        sigma: Standard deviation of the noise beside an image that keeps its scale, above 0.
        form: 'scaled' or 'simple', see the module.
        unit_variance: Whether the noise is scaled to the standard deviation of the data, channel by channel.
            This is measured on the first batch of the training, over all ranks, and kept in checkpoints.

    Raises:
        ValueError: Both or none of ``gamma`` and ``sigma`` are given, or a level is out of its range.
    """

    def __init__(
        self,
        gamma: float | Sequence[float] | None = None,
        sigma: float | Sequence[float] | None = None,
        form: str = 'scaled',
        unit_variance: bool = False,
    ) -> None:
        super().__init__()
        if (gamma is None) == (sigma is None):
            raise ValueError(
                f'GaussianCorruption needs either gamma or sigma, got gamma={gamma} and sigma={sigma}: give '
                'one of them, gamma=0.95 in the paper; None takes back what a base config says'
            )
        if form not in FORMS:
            raise ValueError(f'GaussianCorruption.form={form!r} must be one of {FORMS}')
        self.gamma = None if gamma is None else _check_gamma(gamma, form)
        self.sigma = None if sigma is None else _check_sigma(sigma)
        self.form = form
        self.unit_variance = unit_variance
        self.data_std: Tensor
        self._is_measured = False
        if unit_variance:
            self.register_buffer('data_std', torch.zeros(3))  # 0: not measured yet

    def forward(
        self,
        images: Tensor,
        inside: Tensor | None = None,
        noise: Tensor | None = None,
        fixed_level: bool = False,
    ) -> Corrupted:
        """Corrupt a batch.

        Args:
            images: (N, C, H, W) normalised images.
            inside: (N, 1, H, W) whether a pixel belongs to the image, not to its padding, which stays as it
                is; None if all do.
            noise: (N, C, H, W) noise to use; drawn by default.
            fixed_level: Whether each image gets the middle of a range instead of a level of its own.
        """
        images = images.float()  # under autocast, too: the noise is part of the target
        if noise is None:
            noise = torch.randn_like(images)
        gamma = self._draw_gamma(len(images), images.device, fixed_level).view(-1, 1, 1, 1)
        sigma = ((1 - gamma) / gamma).sqrt()
        if self.form == 'scaled':
            signal, noise_scale = gamma.sqrt(), (1 - gamma).sqrt()
        else:
            signal, noise_scale = torch.ones_like(gamma), sigma
        if self.unit_variance:
            noise_scale = noise_scale * self._std(images, inside).view(1, -1, 1, 1)
        noisy = torch.addcmul(images * signal, noise, noise_scale)
        if inside is not None:
            noisy = torch.where(inside, noisy, images)
        log_sigma = sigma.clamp(min=_SMALLEST_SIGMA).log().flatten()
        return Corrupted(noisy, noise, signal, noise_scale, log_sigma)

    def at_level(self, gamma: float, form: str) -> 'GaussianCorruption':
        """One of another level and form, for data of the same variance."""
        other = copy.deepcopy(self)
        other.gamma, other.sigma, other.form = _check_gamma(gamma, form), None, form
        return other.eval()

    @property
    def is_range(self) -> bool:
        """Whether images have levels of their own."""
        return isinstance(self.gamma, list) or isinstance(self.sigma, list)

    def describe(self) -> dict[str, float | list[float] | str | bool | None]:
        """Its options as plain JSON values."""
        return {
            'form': self.form,
            'gamma': self.gamma,
            'sigma': self.sigma,
            'unit_variance': self.unit_variance,
            'data_std': self.data_std.tolist() if self.unit_variance else None,
        }

    def extra_repr(self) -> str:
        """The options."""
        return ', '.join(f'{k}={v}' for k, v in self.describe().items() if v is not None)

    def _draw_gamma(self, number: int, device: torch.device, fixed: bool) -> Tensor:
        """(number,) levels."""
        level = self.sigma if self.gamma is None else self.gamma
        if isinstance(level, list):
            low, high = level
            share = torch.full((number,), 0.5, device=device)
            if not fixed:
                share.uniform_()
            drawn = low + (high - low) * share
        else:
            drawn = torch.full((number,), float(level), device=device)  # type: ignore[arg-type]
        if self.gamma is None:
            drawn = 1 / (1 + drawn.square())
        return drawn.clamp(min=_SMALLEST_GAMMA)

    def _std(self, images: Tensor, inside: Tensor | None) -> Tensor:
        """(C,) standard deviation of the data; measured once in training, over all ranks."""
        if not self._is_measured and bool((self.data_std > 0).all()):
            self._is_measured = True  # by the training that a checkpoint is of
        if self._is_measured:
            return self.data_std
        moments = image_moments(images, inside)
        if self.training:
            all_reduce(moments, 'mean')
        mean, square = moments
        std = (square - mean.square()).clamp(min=0).sqrt()
        if self.training:
            self.data_std.copy_(std)
            self._is_measured = True
        return std


def _check_gamma(gamma: float | Sequence[float], form: str) -> float | list[float]:
    if isinstance(gamma, Sequence):
        if len(gamma) != 2 or not 0 <= gamma[0] < gamma[1] <= 1:
            raise ValueError(
                f'GaussianCorruption.gamma={gamma} must be one share between 0 and 1, or two of them, the '
                'smaller first, within [0, 1]'
            )
        if form == 'simple' and gamma[0] == 0:
            raise ValueError(
                f'GaussianCorruption.gamma={gamma}: at gamma 0 the simple form has infinite noise. Begin '
                "above 0, or use form='scaled'"
            )
        return [float(each) for each in gamma]
    if not 0 < gamma < 1:
        raise ValueError(
            f'GaussianCorruption.gamma={gamma} must lie between 0 (noise alone) and 1 (no noise)'
        )
    return float(gamma)


def _check_sigma(sigma: float | Sequence[float]) -> float | list[float]:
    if isinstance(sigma, Sequence):
        if len(sigma) != 2 or not 0 <= sigma[0] < sigma[1] < float('inf'):
            raise ValueError(
                f'GaussianCorruption.sigma={sigma} must be one number above 0, or two of them, the smaller '
                'first, from 0 on'
            )
        return [float(each) for each in sigma]
    if not 0 < sigma < float('inf'):
        raise ValueError(f'GaussianCorruption.sigma={sigma} must be above 0')
    return float(sigma)
