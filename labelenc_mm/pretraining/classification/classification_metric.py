"""Accuracy of image classifiers: top-k, or mean average precision where an image may have several labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS


@METRICS.register_module()
class ClassificationMetric(BaseMetric):
    """Percent of images whose label is among the k most probable, or mean average precision.

    ``accuracy/top1`` and so on; an image whose label ties with another counts as wrong. With ``multi_label``
    it is ``mAP``, the mean over classes that some image has of the area below precision over recall, summed
    in steps, without interpolation.

    Args:
        topk: Which k; those that no image can miss, for there are no more classes, are left out.
        multi_label: Whether an image may have several labels, or none.
        kwargs: Of MMEngine's ``BaseMetric``, ``prefix`` for instance.
    """

    def __init__(
        self, topk: Sequence[int] = (1, 5), multi_label: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.topk = tuple(topk)
        self.multi_label = multi_label

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep of each image the probabilities of its classes, and its labels."""
        for sample in data_samples:
            scores = sample['pred_label']['score'].cpu().numpy()
            self.results.append((scores, sample['gt_label']['label'].cpu().numpy()))

    def compute_metrics(self, results: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """Compute the metrics of all images, in percent."""
        scores = np.stack([score for score, _ in results])
        if not self.multi_label:
            labels = np.concatenate([label for _, label in results])
            own = np.take_along_axis(scores, labels[:, None], axis=1)
            ranks = (scores >= own).sum(axis=1)  # 1 is the best
            topk = [k for k in self.topk if k == 1 or k < scores.shape[1]]
            return {f'accuracy/top{k}': 100 * float((ranks <= k).mean()) for k in topk}
        shown = np.zeros(scores.shape, dtype=bool)
        for row, (_, label) in zip(shown, results, strict=True):
            row[label] = True
        columns = [column for column in range(shown.shape[1]) if shown[:, column].any()]
        values = [average_precision(scores[:, c], shown[:, c]) for c in columns]
        return {'mAP': 100 * float(np.mean(values)) if values else 0.0}


def average_precision(scores: np.ndarray, shown: np.ndarray) -> float:
    """Sum over thresholds of the precision times the gain in recall.

    Args:
        scores: (images,) of one class.
        shown: (images,), whether an image shows the class; one at least does.
    """
    order = np.argsort(-scores, kind='stable')
    scores, found = scores[order], shown[order].cumsum()
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # equal scores go together
    recall, precision = found[ends] / found[-1], found[ends] / (ends + 1)
    return float((np.diff(recall, prepend=0) * precision).sum())
