"""The measure of colorization: whether colors are learned at all, and how near the expected ones come."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from labelenc_mm.pretraining.picture_error import psnr, rmse


@METRICS.register_module()
class ColorizationMetric(BaseMetric):
    """Measures what :meth:`ColorizationPretrainer.predict` gives.

    Of a :class:`ColorHistogramHead`, weighted as in the loss:

    - ``hue_kl`` and ``chroma_kl``: mean divergence of the predicted from the true histograms, in nats,
    - ``hue_kl_constant`` and ``chroma_kl_constant``: what the best constant prediction reaches on these very
      photos, their mean histogram: its entropy less the mean entropy of the histograms. A network that is not
      below has learned nothing of what the photos show.

    Of a :class:`ColorRegressionHead` ``ab_mse`` and ``ab_mse_constant``, likewise, of a* and b* in units of
    110.

    Of both, means over photos, each photo weighing the same: ``rmse`` and ``psnr`` (dB) of the expected
    color, and ``rmse_gray`` and ``psnr_gray`` of the photo without color, in gray levels from 0 to 255.

    All of them are measured where points of the training are drawn, without the ``border`` of its sampler:
    what a network says of pixels that it never learned from is no measure of what it has learned. A photo
    of which that leaves less than a third of the shorter side is measured as a whole.

    Args:
        collect_device: Where results of several processes meet, as of mmengine's metrics.
        prefix: Of the names in the log; 'color' by default.
    """

    default_prefix = 'color'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Measure a batch of predictions."""
        for sample in data_samples:
            margin = sample['color_margin']
            gray, clean, colored = (
                without_margin(sample[name]['data'], margin)
                for name in ('gray', 'clean', 'colored')
            )
            errors = [
                measure(picture, clean) for measure in (rmse, psnr) for picture in (colored, gray)
            ]
            sums = {name: value.double().cpu() for name, value in sample['color_sums'].items()}
            self.results.append((errors, sums))

    def compute_metrics(self, results: list[tuple[list[float], dict[str, Tensor]]]) -> dict:
        """Means over all photos."""
        errors = torch.tensor([each for each, _ in results], dtype=torch.float64).mean(0).tolist()
        sums = {name: torch.stack([s[name] for _, s in results]).sum(0) for name in results[0][1]}
        names = ('rmse', 'rmse_gray', 'psnr', 'psnr_gray')
        return {**color_means(sums), **dict(zip(names, errors, strict=True))}


def without_margin(picture: Tensor, margin: int) -> Tensor:
    """(C, h, w) -> (C, h - 2 margin, w - 2 margin)."""
    height, width = picture.shape[-2:]
    return picture[:, margin : height - margin, margin : width - margin]


def color_means(sums: dict[str, Tensor]) -> dict[str, float]:
    """Error of the prediction and of the best constant one.

    Args:
        sums: Of :meth:`ColorTargets.sums`, added up over photos.
    """
    names = ('hue_kl', 'chroma_kl') if 'entropy' in sums else ('ab_mse',)
    weight = sums['weight'].clamp(min=1e-12)
    mean = sums['values'] / weight[:, None]
    if 'entropy' in sums:
        constant = torch.special.entr(mean).sum(1) - sums['entropy'] / weight
    else:
        constant = sums['squares'] / weight - mean.square().sum(1)
    found = {}
    for index, name in enumerate(names):
        found[name] = float(sums['error'][index] / weight[index])
        found[f'{name}_constant'] = float(constant[index].clamp(min=0))
    return found
