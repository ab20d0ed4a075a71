"""Feature shift: how far the units of a network still do after fine-tuning what they did before.

Figure 3 of "Colorization as a Proxy Task for Visual Understanding" (Larsson et al., CVPR 2017): the
correlation of each unit's activations before and after, over all cells of its map on some images, and of
each layer the median and the quartiles.
"""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor


class StreamingCorrelation:
    """Pearson's correlation of units in two states of a network, gathered batch by batch."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: Tensor | None = None

    def add(self, before: Tensor, after: Tensor) -> None:
        """Add the activations on some images.

        Args:
            before: (N, C, h, w), C units.
            after: The same of the other state.

        Raises:
            ValueError: They have another shape.
        """
        if before.shape != after.shape:
            raise ValueError(
                f'maps before and after have shapes {tuple(before.shape)} and {tuple(after.shape)}: compare '
                'two states of one network'
            )
        x, y = (maps.double().transpose(0, 1).flatten(1) for maps in (before, after))
        if self._sums is None:
            # Differences to a value near the mean, of which no digits are lost when they are squared.
            self._shifts = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
            self._sums = x.new_zeros(5, len(x))
        x, y = x - self._shifts[0], y - self._shifts[1]
        self._sums += torch.stack([x, y, x * x, y * y, x * y]).sum(2)
        self._count += x.shape[1]

    def result(self) -> np.ndarray:
        """(C,) correlations; NaN of a unit that is constant in one of the states.

        Raises:
            ValueError: Nothing was added.
        """
        if self._sums is None:
            raise ValueError('no activations were added')
        x, y, xx, yy, xy = self._sums / self._count
        variances = (xx - x * x) * (yy - y * y)
        correlation = (xy - x * y) / variances.clamp(min=0).sqrt()
        is_constant = (xx - x * x <= 1e-12 * xx) | (yy - y * y <= 1e-12 * yy)
        return correlation.masked_fill(is_constant, torch.nan).clamp(-1, 1).cpu().numpy()


def summarize(correlations: np.ndarray) -> dict[str, float | int | None]:
    """Median and quartiles of a layer, and how many of its units are constant and count in none of them."""
    known = correlations[~np.isnan(correlations)]
    names = ('lower quartile', 'median', 'upper quartile')
    values = np.quantile(known, (0.25, 0.5, 0.75)).tolist() if len(known) else [None] * 3
    return {
        **dict(zip(names, values, strict=True)),
        'constant units': len(correlations) - len(known),
    }


def table(shifts: Mapping[str, np.ndarray]) -> str:
    """A Markdown table of the layers."""
    lines = ['| layer | units | lower quartile | median | upper quartile | constant units |']
    lines.append('|---|---|---|---|---|---|')
    for layer, correlations in shifts.items():
        cells = ['-' if v is None else f'{v:.3g}' for v in summarize(correlations).values()]
        lines.append(f'| {layer} | {len(correlations)} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def draw(shifts: Mapping[str, np.ndarray]) -> Figure:
    """Bars of medians with their interquartile ranges, a layer each."""
    figure = Figure(figsize=(1.5 + 0.5 * len(shifts), 3.2), layout='constrained')
    axes = figure.subplots()
    for position, correlations in enumerate(shifts.values()):
        known = correlations[~np.isnan(correlations)]
        if len(known):
            low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
            axes.bar(position, middle, color='tab:blue')
            axes.vlines(position, low, high, color='black')
    axes.set_xticks(range(len(shifts)), list(shifts), rotation=60, ha='right')
    axes.set_ylabel('correlation before and after')
    return figure
