"""Accuracy and average precision, against rankings counted by hand and scikit-learn."""

import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from mmengine.structures import LabelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from labelenc_mm.pretraining.classification import classification_metric


def evaluate(scores, labels, ignored=None, metric=None, **options):
    metric = metric or METRICS.build({'type': 'ClassificationMetric', **options})
    for index, (score, label) in enumerate(zip(scores, labels, strict=True)):
        sample = SegDataSample(
            pred_label=LabelData(score=torch.as_tensor(score)),
            gt_label=LabelData(label=torch.tensor(label, dtype=torch.int64)),
        )
        if ignored is not None:
            sample.gt_label.ignored = torch.tensor(ignored[index], dtype=torch.int64)
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(labels))


def test_accuracy_counts_labels_among_the_most_probable():
    scores = [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.45, 0.45]]
    labels = [[0], [1], [2], [1]]  # ranks 1, 2 and 3; the last one ties and counts as 2
    found = evaluate(scores, labels, topk=(1, 2, 3))
    assert found == {'accuracy/top1': 25.0, 'accuracy/top2': 75.0}


@pytest.mark.parametrize(('label', 'ignored'), [([0, 1], []), ([], []), ([1], [0])])
def test_images_of_several_labels_are_refused_without_multi_label(label, ignored):
    with pytest.raises(ValueError, match=r'an image has the labels .*multi_label=True'):
        evaluate([[0.5, 0.5]], [label], [ignored])


def random_rankings(seed=0, ties=True):
    """Scores of 40 images and 5 classes, and which of them each image shows."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (40, 5)) / 6 if ties else rng.random((40, 5))
    shown = rng.random((40, 5)) < 0.3
    shown[:, 2] = False  # a class that no image has
    return scores, shown


def rows(mask):
    return [np.flatnonzero(row).tolist() for row in mask]


def test_mean_average_precision_is_that_of_scikit_learn():
    average_precision_score = pytest.importorskip('sklearn.metrics').average_precision_score
    scores, shown = random_rankings()
    expected = [average_precision_score(shown[:, k], scores[:, k]) for k in (0, 1, 3, 4)]
    found = evaluate(scores, rows(shown), multi_label=True)
    assert found['mAP'] == pytest.approx(100 * np.mean(expected))


def test_average_precision_of_three_images_by_hand():
    scores = [[0.9], [0.8], [0.7]]
    found = evaluate(scores, [[0], [], [0]], multi_label=True)
    assert found['mAP'] == pytest.approx(100 * (1 * 1 / 2 + 2 / 3 * 1 / 2))
    # recalls 0 to 0.5 at a precision of 1, 0.6 to 1 at 2/3
    assert found['mAP_11points'] == pytest.approx(100 * (6 * 1 + 5 * 2 / 3) / 11)


@pytest.mark.parametrize('classes', [None, ['cat', 'cow', 'dog']])
def test_the_log_has_each_class_that_some_image_shows(classes, monkeypatch):
    pytest.importorskip('sklearn')
    logged = []
    monkeypatch.setattr(classification_metric, 'print_log', lambda text, _: logged.append(text))
    scores = [[0.9, 0.5, 0.1], [0.8, 0.5, 0.2], [0.7, 0.5, 0.3]]
    metric = METRICS.build(dict(type='ClassificationMetric', multi_label=True))
    metric.dataset_meta = {'classes': classes} if classes else {}
    evaluate(scores, [[0], [], [0, 2]], metric=metric)
    rows = [line.strip('|').split('|') for line in logged[0].splitlines() if line[0] == '|']
    first, last = ('cat', 'dog') if classes else ('0', '2')
    assert [[cell.strip() for cell in row] for row in rows] == [
        ['Class', 'AP', 'AP_11points'],
        [first, '83.33', '84.85'],
        [last, '100.00', '100.00'],
    ]


def eleven_points(shown, scores):
    """Written out: for each recall, the best precision of the thresholds that reach it."""
    found = []
    for tenths in range(11):
        best = 0
        for threshold in scores:
            taken = scores >= threshold
            recall = Fraction(int((taken & shown).sum()), int(shown.sum()))
            if recall >= Fraction(tenths, 10):
                best = max(best, (taken & shown).sum() / taken.sum())
        found.append(best)
    return np.mean(found)


@pytest.mark.parametrize('ties', [False, True])
def test_eleven_points_are_those_of_voc_2007_written_out(ties):
    for seed in range(5):
        scores, shown = random_rankings(seed, ties)
        expected = [eleven_points(shown[:, k], scores[:, k]) for k in (0, 1, 3, 4)]
        found = evaluate(scores, rows(shown), multi_label=True)
        assert found['mAP_11points'] == pytest.approx(100 * np.mean(expected))


def test_an_image_counts_for_no_class_that_it_ignores():
    scores, shown = random_rankings()
    ignored = ~shown & (np.random.default_rng(1).random(shown.shape) < 0.3)
    found = evaluate(scores, rows(shown), rows(ignored), multi_label=True)
    alone = {}
    for k in range(5):
        left = ~ignored[:, k]
        alone[k] = evaluate(scores[left, k, None], rows(shown[left, k, None]), multi_label=True)
    for name in ('mAP', 'mAP_11points'):
        assert found[name] == pytest.approx(np.mean([alone[k][name] for k in (0, 1, 3, 4)]))
    assert found != evaluate(scores, rows(shown), multi_label=True)


def test_what_lacks_for_mean_average_precision_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.metrics', None)
    with pytest.raises(ImportError, match=r"pip install 'labelenc-mm\[classification\]'"):
        METRICS.build({'type': 'ClassificationMetric', 'multi_label': True})
    METRICS.build({'type': 'ClassificationMetric'})
