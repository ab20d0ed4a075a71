"""Sheets of corrupted photos (DDeP, figure 4): forms of the noise in rows, levels in columns."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from labelenc_mm.pretraining import DenoisingDecoderPretrainer, GaussianCorruption
from labelenc_mm.pretraining.inside_images import image_moments
from labelenc_mm.segmentation.data.gray_images import to_rgb_levels

_PANEL = 2.0  # inches


class Panel(NamedTuple):
    """A photo under one form and level of noise.

    Attributes:
        form: 'scaled' or 'simple'.
        gamma: Share of the image in the variance.
        noise: (3,) standard deviation of the noise of each channel, in gray levels beside the photo in its
            own scale.
        noisy: (H, W, 3) uint8 RGB, clipped.
        restored: The same, by a pretrained decoder; None without one.
    """

    form: str
    gamma: float
    noise: list[float]
    noisy: np.ndarray
    restored: np.ndarray | None


class Sheet(NamedTuple):
    """All panels of a photo, form by form.

    Attributes:
        clean: (H, W, 3) uint8 RGB.
        variance: (3,) variance of each channel of the normalised photo.
        panels: In the order of forms, and of levels within.
    """

    clean: np.ndarray
    variance: list[float]
    panels: list[Panel]


@torch.no_grad()
def make_sheet(
    photo: np.ndarray,
    preprocessor: Any,
    gammas: Sequence[float],
    forms: Sequence[str],
    seed: int = 0,
    model: DenoisingDecoderPretrainer | None = None,
    corruption: GaussianCorruption | None = None,
) -> Sheet:
    """Corrupt a photo with the same noise in all forms and levels.

    Args:
        photo: (H, W, 3) uint8 BGR.
        preprocessor: Of mmseg, which normalises it.
        gammas: The levels.
        forms: 'scaled', 'simple' or both.
        seed: Of the noise.
        model: What restores it, in evaluation mode.
        corruption: That of a training, whose noise may be scaled to the data (before its first batch: to the
            photo); by default that of the model.
    """
    image = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))
    images = preprocessor(dict(inputs=[image]), False)['inputs']
    mean, square = image_moments(images, None)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    std = getattr(preprocessor, 'std', images.new_ones(3)).flatten().expand(3)
    if corruption is None:
        corruption = GaussianCorruption(gamma=0.95) if model is None else model.corruption
    panels = []
    for form in forms:
        for gamma in gammas:
            corrupted = corruption.at_level(gamma, form)(images, noise=noise)
            restored = None
            if model is not None:
                prediction = model.predict_target(corrupted).float()
                restored = _picture(model.restored(corrupted, prediction), preprocessor)
            noise_levels = (corrupted.relative_noise[0] * std).tolist()
            noisy = _picture(corrupted.noisy, preprocessor)
            panels.append(Panel(form, gamma, noise_levels, noisy, restored))
    return Sheet(_picture(images, preprocessor), (square - mean.square()).tolist(), panels)


def draw_sheet(sheet: Sheet) -> Figure:
    """The photo in the first column, one column for each level, one or two rows for each form."""
    forms = list(dict.fromkeys(panel.form for panel in sheet.panels))
    gammas = list(dict.fromkeys(panel.gamma for panel in sheet.panels))
    rows: list[tuple[str, list[np.ndarray]]] = []
    for form in forms:
        panels = [panel for panel in sheet.panels if panel.form == form]
        rows.append((form, [panel.noisy for panel in panels]))
        restored = [panel.restored for panel in panels if panel.restored is not None]
        if restored:
            rows.append((f'{form}, restored', restored))
    ratio = sheet.clean.shape[0] / sheet.clean.shape[1]
    columns = len(gammas) + 1
    size = (_PANEL * columns + 0.3, (_PANEL * ratio + 0.15) * len(rows) + 0.3)
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for (name, pictures), line in zip(rows, axes, strict=True):
        for picture, ax in zip([sheet.clean, *pictures], line, strict=True):
            ax.imshow(picture)
            ax.set_xticks([])
            ax.set_yticks([])
        line[0].set_ylabel(name)
    titles = [f'gamma {g:g}, sigma {((1 - g) / g) ** 0.5:.2g}' for g in gammas]
    for title, ax in zip(['photo', *titles], axes[0], strict=True):
        ax.set_title(title, fontsize='medium')
    return figure


def _picture(images: Tensor, preprocessor: nn.Module) -> np.ndarray:
    """A normalised (1, 3, H, W) image as a picture."""
    picture = to_rgb_levels(images[0], preprocessor)
    return picture.permute(1, 2, 0).cpu().numpy().round().clip(0, 255).astype(np.uint8)
