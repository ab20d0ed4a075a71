"""ODS, OIS and AP from counts, by hand and against the published tool's formulas written out."""

import numpy as np
import pytest

from labelenc_mm.evaluation.edges.counts import BoundaryCounts, thresholds
from labelenc_mm.evaluation.edges.scores import (
    add_up,
    average_precision,
    best_between,
    f_measure,
    precision_recall,
    score,
)


def counts(*rows):
    """Of rows found, annotated, right, predicted of each threshold."""
    return BoundaryCounts(*np.array(rows).T)


def test_thresholds_leave_out_both_ends():
    np.testing.assert_allclose(thresholds(4), [0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(thresholds(99), np.linspace(0.01, 0.99, 99))


def test_best_point_lies_between_two_thresholds():
    """From P 0, R 1 to P 1, R 0 the best F is in the middle: P = R = 1/2."""
    values, precision, recall = np.array([0.2, 0.6]), np.array([0.0, 1.0]), np.array([1.0, 0.0])
    f, *rest = best_between(values, precision, recall)
    # 100 points at equal distances, both ends included, have none in the middle.
    share = 49 / 99
    assert f == pytest.approx(2 * share * (1 - share))
    assert sorted(rest[:2]) == pytest.approx([share, 1 - share])
    assert rest[2] == pytest.approx(0.2 + 0.4 * rest[0])


def test_one_threshold_is_not_interpolated():
    assert best_between(np.array([0.5]), np.array([0.9]), np.array([0.6])) == pytest.approx(
        (0.72, 0.9, 0.6, 0.5)
    )


def test_average_precision_of_a_straight_line():
    """P = 1 - R / 2 from R 0.2 to 0.8; 61 levels of recall are on it, their mean P is 0.75."""
    recall = np.array([0.8, 0.5, 0.2])
    assert average_precision(1 - recall / 2, recall) == pytest.approx(61 * 0.75 / 100)


def test_average_precision_needs_two_recalls_and_takes_the_lower_threshold_of_equal_ones():
    assert average_precision(np.array([0.5, 0.7]), np.array([0.4, 0.4])) == 0
    precision, recall = np.array([0.2, 0.6, 0.8]), np.array([1.0, 0.0, 0.0])
    levels = np.linspace(0, 1, 101)
    expected = (0.6 + (0.2 - 0.6) * levels).sum() / 100
    assert average_precision(precision, recall) == pytest.approx(expected)


def test_every_image_has_its_own_threshold_in_ois_and_a_common_one_in_ods():
    first = counts((9, 10, 9, 10), (1, 10, 1, 1))
    second = counts((9, 10, 9, 90), (8, 10, 8, 10))
    found = score([first, second], np.array([0.3, 0.6]))
    assert found.ois == pytest.approx(f_measure(np.array(17 / 20), np.array(17 / 20)))
    precision, recall = np.array([18 / 100, 9 / 11]), np.array([18 / 20, 9 / 20])
    share = np.linspace(0, 1, 100)
    path = [each[0] * (1 - share) + each[1] * share for each in (precision, recall)]
    assert found.ods == pytest.approx(f_measure(*path).max())
    assert found.ods == pytest.approx(
        2 * found.ods_precision * found.ods_recall / (found.ods_precision + found.ods_recall)
    )
    assert found.ap == average_precision(precision, recall)


def test_nothing_found_and_nothing_predicted_score_zero():
    found = score([counts((0, 10, 0, 0), (0, 10, 0, 0))], np.array([0.3, 0.6]))
    assert (found.ods, found.ois, found.ap) == (0, 0, 0)
    assert [each.tolist() for each in precision_recall(counts((0, 0, 0, 0)))] == [[0], [0]]


def test_counts_add_up_by_threshold():
    total = add_up([counts((1, 2, 3, 4), (5, 6, 7, 8)), counts((10, 20, 30, 40), (0, 0, 0, 0))])
    assert [each.tolist() for each in total] == [[11, 5], [22, 6], [33, 7], [44, 8]]
