"""The measure of denoising pretraining: how far noise, or the photo, is predicted."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from labelenc_mm.pretraining.picture_error import psnr


@METRICS.register_module()
class DenoisingMetric(BaseMetric):
    """Error and peak signal-to-noise ratio of what :meth:`DenoisingDecoderPretrainer.predict` gives.

    All are means over images, each image weighing the same:

    - ``mse``: mean squared error of the target, as in the loss; 1 is a prediction of zero noise,
    - ``psnr_noisy`` and ``psnr_restored``: 10 log10(255^2 / squared error) in dB, of the corrupted and of the
      restored image in gray levels, not clipped.

    Args:
        collect_device: Where results of several processes meet, as of mmengine's metrics.
        prefix: Of the names in the log; 'denoising' by default.
    """

    default_prefix = 'denoising'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Measure a batch of predictions."""
        for sample in data_samples:
            clean = sample['clean']['data']
            self.results.append(
                (
                    float(sample['denoising_mse']),
                    psnr(sample['noisy']['data'], clean),
                    psnr(sample['restored']['data'], clean),
                )
            )

    def compute_metrics(self, results: list[tuple[float, float, float]]) -> dict[str, float]:
        """Mean over all images."""
        means = torch.tensor(results, dtype=torch.float64).mean(0).tolist()
        return dict(zip(('mse', 'psnr_noisy', 'psnr_restored'), means, strict=True))
