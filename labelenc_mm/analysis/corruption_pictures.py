"""Pictures of corrupted photos over levels and forms of the noise (DDeP, 2022, Figure 4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.pretraining.denoising.gaussian_corruption import GaussianCorruption, image_moments

_PANEL_WIDTH = 2.4  # inches


@dataclass
class Corruption:
    """A photo under one corruption, as RGB in gray levels from 0 to 255, not clipped.

    Attributes:
        form: Of the noise.
        gamma: Its level: share of the image in the variance.
        noisy: (3, H, W).
        gray_levels: (3,) standard deviation of the noise, beside the photo in its own scale.
        restored: (3, H, W) what a model makes of it, None without one.
    """

    form: str
    gamma: float
    noisy: Tensor
    gray_levels: list[float]
    restored: Tensor | None = None

    @property
    def sigma(self) -> float:
        """The same level as the standard deviation of the noise, relative to the image."""
        return math.sqrt(1 / self.gamma - 1)


def corrupt_photo(
    photo: Tensor,
    gammas: Sequence[float],
    forms: Sequence[str],
    mean: Tensor,
    std: Tensor,
    seed: int = 0,
) -> list[Corruption]:
    """Corrupt a photo by the same noise at each level, in each form.

    Args:
        photo: (3, H, W) RGB in gray levels.
        gammas: Levels.
        forms: Of :class:`GaussianCorruption`.
        mean: (3,) of the normalisation, in gray levels, RGB.
        std: (3,) likewise.
        seed: Of the noise.
    """
    image = ((photo - mean.view(3, 1, 1)) / std.view(3, 1, 1))[None]
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    results = []
    for form in forms:
        for gamma in gammas:
            corrupted = GaussianCorruption(gamma=gamma, form=form)(image, noise=noise)
            sigma = (corrupted.noise_scale / corrupted.signal).flatten()
            noisy = corrupted.noisy[0] * std.view(3, 1, 1) + mean.view(3, 1, 1)
            results.append(Corruption(form, gamma, noisy, (sigma * std).tolist()))
    return results


def restore_photo(model: Any, photo: Tensor, gammas: Sequence[float], forms: Sequence[str]) -> list:
    """Corrupt a photo as in validation and restore it by a pretrainer; arguments as above."""
    device = next(model.parameters()).device
    trained, results = model.corruption, []
    try:
        for form in forms:
            for gamma in gammas:
                model.corruption = GaussianCorruption(gamma=gamma, form=form).to(device)
                size = tuple(photo.shape[-2:])
                sample = SegDataSample(metainfo=dict(img_path='', img_shape=size, ori_shape=size))
                # As the pipelines give it: BGR.
                data = {'inputs': [photo.flip(0).to(torch.uint8)], 'data_samples': [sample]}
                (found,) = model.predict(**model.data_preprocessor(data, False))
                std = model.data_preprocessor.std.flatten()
                levels = (std * math.sqrt(1 / gamma - 1)).tolist()
                noisy, restored = found.noisy.data.cpu(), found.restored.data.cpu()
                results.append(Corruption(form, gamma, noisy, levels, restored))
    finally:
        model.corruption = trained
    return results


def normalised_variance(photo: Tensor, mean: Tensor, std: Tensor) -> list[float]:
    """Variance of each channel of a (3, H, W) photo under a normalisation."""
    average, square = image_moments(((photo - mean.view(3, 1, 1)) / std.view(3, 1, 1))[None], None)
    return (square - average.square()).tolist()


def draw_sheet(photo: Tensor, corruptions: Sequence[Corruption]) -> Figure:
    """The photo, and a row for each form: levels from left to right, below each what was restored."""
    forms = list(dict.fromkeys(each.form for each in corruptions))
    gammas = list(dict.fromkeys(each.gamma for each in corruptions))
    rows = [(form, kind) for form in forms for kind in ('noisy', 'restored')]
    rows = [row for row in rows if row[1] == 'noisy' or corruptions[0].restored is not None]
    columns = len(gammas) + 1
    height = _PANEL_WIDTH * photo.shape[1] / photo.shape[2] + 0.35
    figure = Figure(figsize=(_PANEL_WIDTH * columns, height * len(rows)), layout='constrained')
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for panel in panels.flat:
        panel.axis('off')
    for line, (form, kind) in zip(panels, rows, strict=True):
        line[0].imshow(_as_picture(photo))
        line[0].set_title(f'{form}, restored' if kind == 'restored' else form, fontsize=8)
        for panel, gamma in zip(line[1:], gammas, strict=True):
            (found,) = (e for e in corruptions if (e.form, e.gamma) == (form, gamma))
            panel.imshow(_as_picture(getattr(found, kind)))
            if kind == 'noisy':
                panel.set_title(f'gamma {gamma:.3g}, sigma {found.sigma:.3g}', fontsize=8)
    return figure


def _as_picture(photo: Tensor) -> np.ndarray:
    """(H, W, 3) uint8; what is beyond black and white is clipped."""
    return photo.permute(1, 2, 0).numpy().round().clip(0, 255).astype(np.uint8)
