"""Accuracy and average precision, against rankings counted by hand and scikit-learn."""

import numpy as np
import pytest
import torch
from mmengine.structures import LabelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample


def evaluate(scores, labels, **options):
    metric = METRICS.build({'type': 'ClassificationMetric', **options})
    for score, label in zip(scores, labels, strict=True):
        sample = SegDataSample(
            pred_label=LabelData(score=torch.as_tensor(score)),
            gt_label=LabelData(label=torch.tensor(label, dtype=torch.int64)),
        )
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(labels))


def test_accuracy_counts_labels_among_the_most_probable():
    scores = [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.45, 0.45]]
    labels = [[0], [1], [2], [1]]  # ranks 1, 2 and 3; the last one ties and counts as 2
    found = evaluate(scores, labels, topk=(1, 2, 3))
    assert found == {'accuracy/top1': 25.0, 'accuracy/top2': 75.0}


def test_mean_average_precision_is_that_of_scikit_learn():
    average_precision_score = pytest.importorskip('sklearn.metrics').average_precision_score
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (40, 5)) / 6  # many are equal
    shown = rng.random((40, 5)) < 0.3
    shown[:, 2] = False  # a class that no image has
    labels = [np.flatnonzero(row).tolist() for row in shown]
    expected = [average_precision_score(shown[:, k], scores[:, k]) for k in (0, 1, 3, 4)]
    found = evaluate(scores, labels, multi_label=True)
    assert found == {'mAP': pytest.approx(100 * np.mean(expected))}


def test_average_precision_of_three_images_by_hand():
    scores = [[0.9], [0.8], [0.7]]
    found = evaluate(scores, [[0], [], [0]], multi_label=True)
    assert found['mAP'] == pytest.approx(100 * (1 * 1 / 2 + 2 / 3 * 1 / 2))
