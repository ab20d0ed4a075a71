"""Scores of a data set from the counts of its images: ODS, OIS and AP, computed as the published tool does."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelenc_mm.evaluation.edges.counts import BoundaryCounts

_STEPS = 100  # points between two thresholds, both of them included
_LEVELS = 101  # recalls 0, 0.01 … 1


class BoundaryScores(NamedTuple):
    """What is published of an edge detector, each in [0, 1]."""

    ods: float
    """F at the one threshold that is best for the whole data set."""
    ois: float
    """F with the best threshold of each image."""
    ap: float
    """Area under the curve of precision over recall."""
    ods_precision: float
    ods_recall: float
    ods_threshold: float


def f_measure(
    precision: NDArray[np.float64], recall: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Harmonic mean, 0 where both are."""
    total = precision + recall
    return 2 * precision * recall / np.where(total > 0, total, 1)


def precision_recall(counts: BoundaryCounts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall; 0 where there is nothing to divide by."""
    precision = counts.right / np.maximum(counts.predicted, 1)
    recall = counts.found / np.maximum(counts.annotated, 1)
    return precision, recall


def add_up(counts: Sequence[BoundaryCounts]) -> BoundaryCounts:
    """The counts of several images, by threshold."""
    return BoundaryCounts(*np.sum(np.array(counts, np.int64), axis=0))


def best_between(
    values: NDArray[np.float64], precision: NDArray[np.float64], recall: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """The best point of a curve whose points are joined by straight lines.

    Returns:
        Its F, precision, recall and threshold.
    """
    if len(values) > 1:
        share = np.linspace(0, 1, _STEPS)
        values, precision, recall = (
            (each[:-1, None] * (1 - share) + each[1:, None] * share).ravel()
            for each in (values, precision, recall)
        )
    f = f_measure(precision, recall)
    best = int(f.argmax())
    return float(f[best]), float(precision[best]), float(recall[best]), float(values[best])


def average_precision(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> float:
    """Sum of the precisions at recalls 0, 0.01 … 1 by 100, those that the curve does not reach being 0."""
    # Of points of one recall the one of the lowest threshold counts.
    recalls, first = np.unique(recall, return_index=True)
    if len(recalls) < 2:
        return 0.0
    levels = np.linspace(0, 1, _LEVELS)
    at_levels = np.interp(levels, recalls, precision[first], left=0, right=0)
    return float(at_levels.sum() / (_LEVELS - 1))


def score(counts: Sequence[BoundaryCounts], values: NDArray[np.float64]) -> BoundaryScores:
    """Scores of a data set.

    ODS is the best F of the curve of summed counts, joined linearly between thresholds. OIS adds up the counts
    of each image at the threshold where its own F is best.

    Args:
        counts: Of each image.
        values: (T,) rising thresholds.
    """
    total = add_up(counts)
    precision, recall = precision_recall(total)
    ods, ods_precision, ods_recall, threshold = best_between(values, precision, recall)
    of_image = []
    for each in counts:
        best = int(f_measure(*precision_recall(each)).argmax())
        of_image.append(BoundaryCounts(*(numbers[best : best + 1] for numbers in each)))
    ois = float(f_measure(*precision_recall(add_up(of_image)))[0])
    ap = average_precision(precision, recall)
    return BoundaryScores(ods, ois, ap, ods_precision, ods_recall, threshold)
