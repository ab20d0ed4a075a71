"""Accuracy of image classifiers: top-k, or mean average precision where an image may have several labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from prettytable import PrettyTable

Scores = np.ndarray[Any, Any]


@METRICS.register_module()
class ClassificationMetric(BaseMetric):
    """Percent of images whose label is among the k most probable, or mean average precision.

    ``accuracy/top1`` and so on; an image whose label ties with another counts as wrong. With ``multi_label``
    it is ``mAP``, the mean over classes that some image has of the area below precision over recall, summed
    in steps, without interpolation, as scikit-learn computes it (``pip install
    'labelenc-mm[classification]'``), and ``mAP_11points``, as VOC 2007 defined it: the mean of the
    highest precision at a recall of 0, 0.1, … and 1 or more. An image counts for no class that it ignores.
    The log has both for each class.

    Args:
        topk: Which k; those that no image can miss, for there are no more classes, are left out.
        multi_label: Whether an image may have several labels, or none.
        kwargs: Of MMEngine's ``BaseMetric``, ``prefix`` for instance.

    Raises:
        ImportError: scikit-learn is missing.
    """

    def __init__(
        self, topk: Sequence[int] = (1, 5), multi_label: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.topk = tuple(topk)
        self.multi_label = multi_label
        if multi_label:
            load_average_precision()

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep of each image the probabilities of its classes, its labels, and those that it ignores.

        Raises:
            ValueError: An image has not just one label, without ``multi_label``.
        """
        for sample in data_samples:
            label = sample['gt_label']['label']
            ignored = sample['gt_label'].get('ignored', label[:0])
            if not self.multi_label and (len(label) != 1 or len(ignored)):
                raise ValueError(
                    f'{sample.get("img_path", "an image")} has the labels {label.tolist()}, and ignores '
                    f'{ignored.tolist()}: expected one label, or multi_label=True of ClassificationMetric'
                )
            kept = (sample['pred_label']['score'], label, ignored)
            self.results.append(tuple(each.cpu().numpy() for each in kept))

    def compute_metrics(self, results: list[tuple[Scores, Scores, Scores]]) -> dict[str, float]:
        """Compute the metrics of all images, in percent."""
        scores = np.stack([score for score, _, _ in results])
        if not self.multi_label:
            labels = np.concatenate([label for _, label, _ in results])
            own = np.take_along_axis(scores, labels[:, None], axis=1)
            ranks = (scores >= own).sum(axis=1)  # 1 is the best
            topk = [k for k in self.topk if k == 1 or k < scores.shape[1]]
            return {f'accuracy/top{k}': 100 * float((ranks <= k).mean()) for k in topk}
        shown, counts = np.zeros(scores.shape, dtype=bool), np.ones(scores.shape, dtype=bool)
        for row, (_, label, ignored) in enumerate(results):
            shown[row, label] = True
            counts[row, ignored] = False
        forms = {'mAP': load_average_precision(), 'mAP_11points': eleven_point_precision}
        columns = {c: (shown[at, c], scores[at, c]) for c, at in enumerate(counts.T)}
        columns = {c: each for c, each in columns.items() if each[0].any()}
        values = {
            name: [100 * form(*each) for each in columns.values()] for name, form in forms.items()
        }
        self._log_classes(list(columns), values)
        return {name: float(np.mean(v)) if v else 0.0 for name, v in values.items()}

    def _log_classes(self, classes: list[int], values: dict[str, list[float]]) -> None:
        """A row for each class that some image has, as mmseg's metrics log them."""
        names = (self.dataset_meta or {}).get('classes')
        table = PrettyTable(['Class', *(name.replace('mAP', 'AP') for name in values)])
        for index, row in zip(classes, zip(*values.values(), strict=True), strict=True):
            table.add_row([names[index] if names else index, *(f'{value:.2f}' for value in row)])
        print_log(f'per class results:\n{table}', 'current')


def load_average_precision() -> Callable[[Scores, Scores], float]:
    """scikit-learn's ``average_precision_score``.

    Raises:
        ImportError: It is missing.
    """
    try:
        from sklearn.metrics import average_precision_score
    except ImportError as error:
        raise ImportError(
            'mAP is computed by scikit-learn, which cannot be imported '
            f"({error}): pip install 'labelenc-mm[classification]'"
        ) from error
    return average_precision_score


def eleven_point_precision(shown: Scores, scores: Scores) -> float:
    """Average precision of VOC 2007: the mean over 11 recalls of the highest precision from there on.

    Args:
        shown: (images,), whether an image shows the class; one at least does.
        scores: (images,) of the class.
    """
    order = np.argsort(-scores, kind='stable')
    found = shown[order].cumsum()
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # ties go together
    precision = found[ends] / (ends + 1)
    # Whole numbers, which compare exactly: 3 of 10 are a recall of 0.3.
    reached = 10 * found[ends] >= np.arange(11)[:, None] * found[-1]
    return float(np.where(reached, precision, 0).max(axis=1).mean())
