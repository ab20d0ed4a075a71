"""The field's measures of surface normals (Fouhey et al., ICCV 2013; PixelNet, Table 5)."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from numpy.typing import NDArray
from torch import Tensor

THRESHOLDS = (11.25, 22.5, 30.0)
"""Degrees below which a normal counts as right."""

_BINS = 18001  # of 0.01 degrees; the last one is 180 degrees alone
# What is known of many angles is one array that adds up: bins, sum, sum of squares, numbers below thresholds.
_PARTS = (_BINS, _BINS + 1, _BINS + 2)


@METRICS.register_module()
class SurfaceNormalMetric(BaseMetric):
    """Angles between predicted and true normals, in degrees.

    Pixels with a normal are pooled over all images and processes:

    - ``mean``, ``median`` and ``rmse``: of the angle; lower is better,
    - ``within_11.25``, ``within_22.5`` and ``within_30``: share of pixels with a smaller angle, in percent.

    The median is read from a histogram of 0.01 degrees, so it is exact to 0.005; memory does not grow with
    the data. Images that a sampler repeats to give every process as many do not count twice. A prediction
    that is zero has no direction and counts as 90 degrees.

    Args:
        collect_device: Where results of several processes meet, as of mmengine's metrics.
        prefix: Of the names in the log; 'normals' by default.
    """

    default_prefix = 'normals'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self._seen = 0
        self._sums = self._last = _nothing()

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Measure a batch of predictions.

        Raises:
            ValueError: A sample has no normals, or a map of another size; names the file.
        """
        for sample in data_samples:
            name = sample.get('img_path', 'an image')
            if 'gt_normals' not in sample:
                raise ValueError(
                    f'{name}: the sample has no gt_normals. Add LoadNormals and PackNormals to the pipeline'
                )
            predicted, true = (sample[key]['data'] for key in ('pred_normals', 'gt_normals'))
            if predicted.shape != true.shape:
                raise ValueError(
                    f'{name}: predicted normals are of shape {tuple(predicted.shape)}, the true ones of '
                    f'{tuple(true.shape)}. In testing LoadNormals follows Resize'
                )
            if not predicted.isfinite().all():
                raise ValueError(f'{name}: predicted normals are no numbers: the model diverged')
            self._sums, self._last = self._sums + self._last, _sums(angles(predicted, true))
            self._seen += 1

    def evaluate(self, size: int) -> dict[str, float]:
        """Pool what all processes saw of a data set of so many images."""
        # A process repeats at most one image, its last: samplers deal images out in turn.
        is_repeated = get_rank() + (self._seen - 1) * get_world_size() >= size
        self.results = [self._sums if is_repeated else self._sums + self._last]
        self._seen = 0
        self._sums = self._last = _nothing()
        return super().evaluate(size)

    def compute_metrics(self, results: list[NDArray[np.float64]]) -> dict[str, float]:
        """The six measures, NaN if no pixel has a normal."""
        histogram, total, squares, below = np.split(np.sum(results, axis=0), _PARTS)
        number = float(histogram.sum())
        if not number:
            print_log(
                'SurfaceNormalMetric: no pixel of the data has a normal',
                'current',
                logging.WARNING,
            )
        number = number or math.nan
        scores = dict(mean=float(total[0]) / number, median=_median(histogram))
        scores['rmse'] = math.sqrt(squares[0] / number)
        shares = (100 * below / number).tolist()
        return scores | {f'within_{t:g}': s for t, s in zip(THRESHOLDS, shares, strict=True)}


def angles(predicted: Tensor, true: Tensor) -> NDArray[np.float64]:
    """Degrees between (3, H, W) vectors at the pixels whose true one is not zero.

    By the arc tangent: the arc cosine knows angles near zero to half of the digits alone.
    """
    is_known = true.ne(0).any(0)
    left, right = (vectors[:, is_known].double().T for vectors in (predicted, true))
    sine, cosine = torch.linalg.cross(left, right).norm(dim=1), (left * right).sum(1)
    degrees = torch.rad2deg(torch.atan2(sine, cosine))
    return torch.where(left.eq(0).all(1), 90.0, degrees).cpu().numpy()


def _nothing() -> NDArray[np.float64]:
    return np.zeros(_PARTS[-1] + len(THRESHOLDS))


def _sums(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    bins = np.minimum((degrees * 100).astype(np.int64), _BINS - 1)
    below = [(degrees < threshold).sum() for threshold in THRESHOLDS]
    return np.concatenate(
        [
            np.bincount(bins, minlength=_BINS),
            [degrees.sum(), np.square(degrees).sum(), *below],
        ]
    )


def _median(histogram: NDArray[np.float64]) -> float:
    """Of what is in bins of 0.01 degrees: the middle of that of the middle number, or of two."""
    number = int(histogram.sum())
    if not number:
        return math.nan
    ranks = np.array([(number - 1) // 2, number // 2])
    found = np.searchsorted(np.cumsum(histogram), ranks, side='right')
    return float((found + 0.5).mean() / 100)
