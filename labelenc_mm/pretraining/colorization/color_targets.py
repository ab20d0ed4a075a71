"""What a colorizer learns at a pixel: histograms of hue and chroma around it, or its L*a*b* color.

Larsson et al., CVPR 2017, sec. 3.1: hue and chroma in a window of 7x7 pixels, 32 bins each, or regression of
L*a*b*. At drawn points only the windows of these points are read: 49 colors each, where a map of 64 channels
at every pixel of a 352x352 crop has 8 million numbers.

Shape legend: N images of (H, W) pixels, P points an image, B bins, w pixels along a window.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.registry import TASK_UTILS
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.labels import VOID
from labelenc_mm.networks.point_drawing import DrawnPoints
from labelenc_mm.pretraining.colorization.color_losses import divergences
from labelenc_mm.pretraining.colorization.color_spaces import (
    around_gray,
    from_hue_and_chroma,
    from_lab,
    hue_and_chroma,
    hue_vectors,
    to_lab,
)
from labelenc_mm.segmentation.hypercolumns.pixel_targets import PixelTargets, Targets

OUTSIDE = -1
"""Gray level of pixels that are no part of a photo."""


class ColorTargets(PixelTargets):
    """Base of what is learned of colors; samples have them as (3, H, W) gray levels, -1 where there is none.

    Args:
        field: Where a data sample has its photo.
        ignore_index: Has no meaning here; filled in by the head.
    """

    num_outputs: int
    """Numbers that are predicted a pixel."""

    def __init__(self, field: str = 'photo', ignore_index: int = VOID) -> None:
        super().__init__(field, ignore_index)

    def read(self, data_samples: Sequence[SegDataSample]) -> Tensor:
        """(N, 3, H, W) RGB from 0 to 1, negative outside of the photos."""
        return super().read(data_samples).float() / 255

    def is_known(self, maps: Tensor) -> Tensor:
        """All pixels of the photos."""
        return maps[:, 0] >= 0

    @abstractmethod
    def colors(self, scores: Tensor, gray: Tensor) -> Tensor:
        """The colors that are expected after a prediction.

        Args:
            scores: (N, num_outputs, …) output of the head.
            gray: (N, …) mean of RGB, from 0 to 1.

        Returns:
            (N, 3, …) RGB from 0 to 1, of that mean.
        """

    @abstractmethod
    def sums(self, scores: Tensor, values: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Sums over pixels of one photo, from which means over photos and their constant are made.

        Args:
            scores: (num_outputs, P, 1) output of the head.
            values: (num_outputs, P, 1) what it should be.
            weight: (parts, P, 1), a part being a histogram, or both values.

        Returns:
            ``error`` and ``weight`` (parts,), and ``values`` (parts, outputs a part), all weighted; and
            ``entropy`` or ``squares`` (parts,) of the values.
        """


@TASK_UTILS.register_module()
class ColorHistogramTargets(ColorTargets):
    """Histograms of hue and of chroma in a window, one behind the other: 2 B channels.

    Pixels without chroma have hue 0, as in the released code. A window ends where the photo does.

    Args:
        bins: B, of each histogram.
        window: w, an odd number of pixels.
        weigh_hue_by_chroma: Whether the hue of a point counts as much as the pixel has chroma, so that of a
            gray one it does not; as in the released code.
        weigh_chroma_by_gray: Whether the chroma counts less where the pixel is nearly black or white, by
            min(1, 3 L, 3 (1 - L)); as in the released code.
        field: Where a data sample has its photo.
        ignore_index: Has no meaning here; filled in by the head.
    """

    def __init__(
        self,
        bins: int = 32,
        window: int = 7,
        weigh_hue_by_chroma: bool = True,
        weigh_chroma_by_gray: bool = True,
        field: str = 'photo',
        ignore_index: int = VOID,
    ) -> None:
        if bins < 2 or window < 1 or window % 2 == 0:
            raise ValueError(
                f'{type(self).__name__}: bins={bins} must be at least 2 and window={window} odd'
            )
        super().__init__(field, ignore_index)
        self.bins = bins
        self.window = window
        self.weigh_hue_by_chroma = weigh_hue_by_chroma
        self.weigh_chroma_by_gray = weigh_chroma_by_gray
        self.num_outputs = 2 * bins

    def everywhere(self, maps: Tensor) -> Targets:
        """(N, 2 B, H, W) histograms and (N, 2, H, W) weights of hue and chroma."""
        known = self.is_known(maps)
        hue, chroma = hue_and_chroma(maps)
        ones = [F.one_hot(self._bin(each), self.bins).movedim(-1, 1) for each in (hue, chroma)]
        planes = torch.cat(ones, 1) * known.unsqueeze(1)
        sums = F.avg_pool2d(planes.to(maps), self.window, 1, self.window // 2, divisor_override=1)
        return Targets(self._normalised(sums), self._weights(maps) * known.unsqueeze(1))

    def at_points(self, maps: Tensor, points: DrawnPoints) -> Targets:
        """(N, 2 B, P, 1) histograms and (N, 2, P, 1) weights, 0 where nothing was drawn."""
        height, width = maps.shape[-2:]
        shift = torch.arange(self.window, device=maps.device) - self.window // 2
        y = (points.cells // width)[..., None, None] + shift[:, None]
        x = (points.cells % width)[..., None, None] + shift
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        cells = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(2)
        colors = _gather(maps, cells.flatten(1)).unflatten(2, cells.shape[1:])
        counts = (self.is_known(colors) & inside.flatten(2)).to(maps)
        sums = [
            counts.new_zeros(*counts.shape[:2], self.bins).scatter_add_(2, self._bin(each), counts)
            for each in hue_and_chroma(colors)
        ]
        histograms = self._normalised(torch.cat(sums, 2).transpose(1, 2))
        weights = self._weights(_gather(maps, points.cells)) * points.is_drawn.unsqueeze(1)
        return Targets(histograms.unsqueeze(-1), weights.unsqueeze(-1))

    def colors(self, scores: Tensor, gray: Tensor) -> Tensor:
        """The mean of the color, as a vector of hue and chroma, which are taken as independent.

        Where the hue is open, the vector is short, and the color fades.
        """
        hue, chroma = (each.softmax(1) for each in scores.float().split(self.bins, 1))
        centres = (torch.arange(self.bins, device=scores.device) + 0.5) / self.bins
        with torch.autocast(scores.device.type, enabled=False):
            x, y = torch.einsum('nb...,bd->dn...', hue, hue_vectors(self.bins, scores.device))
            length = torch.einsum('nb...,b->n...', chroma, centres) * torch.hypot(x, y)
        turn = torch.atan2(y, x) / (2 * torch.pi)
        return from_hue_and_chroma(turn.remainder(1), length, gray)

    def sums(self, scores: Tensor, values: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Of hue and chroma; ``error`` are divergences."""
        parts = values.unflatten(0, (2, self.bins))
        errors = divergences(scores[None], values[None])[0]
        return dict(
            error=_sum(errors * weight),
            weight=_sum(weight),
            values=_sum(parts * weight.unsqueeze(1)),
            entropy=_sum(torch.special.entr(parts).sum(1) * weight),
        )

    def _bin(self, values: Tensor) -> Tensor:
        return (values * self.bins).long().clamp(0, self.bins - 1)

    def _normalised(self, sums: Tensor) -> Tensor:
        """Two histograms, uniform where a window is empty."""
        halves = sums.unflatten(1, (2, self.bins))
        total = halves.sum(2, keepdim=True)
        shares = torch.where(total > 0, halves / total.clamp(min=1), 1 / self.bins)
        return shares.flatten(1, 2)

    def _weights(self, rgb: Tensor) -> Tensor:
        """(N, 2, …) of hue and chroma, of (N, 3, …) colors."""
        gray, chroma = rgb.mean(1), rgb.amax(1) - rgb.amin(1)
        one = torch.ones_like(gray)
        of_gray = torch.minimum(3 * gray, 3 * (1 - gray)).clamp(0, 1)
        return torch.stack(
            [
                chroma if self.weigh_hue_by_chroma else one,
                of_gray if self.weigh_chroma_by_gray else one,
            ],
            1,
        )


@TASK_UTILS.register_module()
class LabTargets(ColorTargets):
    """a* and b* of the pixel, of which 110 are 1: the baseline of the paper's Table 2."""

    num_outputs = 2
    unit = 110.0
    """Of a* and b*, which reach it at the most colorful; the paper leaves it open."""

    def everywhere(self, maps: Tensor) -> Targets:
        """(N, 2, H, W) values and (N, 1, H, W) weights, 0 outside of the photos."""
        return Targets(self._values(maps), self.is_known(maps).unsqueeze(1).to(maps))

    def at_points(self, maps: Tensor, points: DrawnPoints) -> Targets:
        """(N, 2, P, 1) values and (N, 1, P, 1) weights, 0 where nothing was drawn."""
        values = self._values(_gather(maps, points.cells))
        return Targets(values.unsqueeze(-1), points.is_drawn[:, None, :, None].to(maps))

    def colors(self, scores: Tensor, gray: Tensor) -> Tensor:
        """The predicted color on the lightness of the gray."""
        lightness = to_lab(torch.stack([gray] * 3, 1))[:, :1]
        return around_gray(from_lab(torch.cat([lightness, scores * self.unit], 1)), gray)

    def sums(self, scores: Tensor, values: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """``error`` is the squared distance."""
        return dict(
            error=_sum((scores - values).square().sum(0, keepdim=True) * weight),
            weight=_sum(weight),
            values=_sum(values * weight).unsqueeze(0),
            squares=_sum(values.square().sum(0, keepdim=True) * weight),
        )

    def _values(self, rgb: Tensor) -> Tensor:
        return to_lab(rgb.clamp(min=0))[:, 1:] / self.unit


def _gather(maps: Tensor, cells: Tensor) -> Tensor:
    """(N, C, H, W) maps at (N, K) pixels: (N, C, K)."""
    return maps.flatten(2).gather(2, cells.unsqueeze(1).expand(-1, maps.shape[1], -1))


def _sum(maps: Tensor) -> Tensor:
    """(…, H, W) -> (…,), in double precision."""
    return maps.double().sum((-2, -1))
