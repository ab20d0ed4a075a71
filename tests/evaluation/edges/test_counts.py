"""Counts of an image: recall over every annotator, precision against any, thresholds that change nothing."""

import numpy as np
import pytest

from labelenc_mm.evaluation.edges import counts as module
from labelenc_mm.evaluation.edges.counts import count_image, thresholds
from labelenc_mm.evaluation.edges.matching import edge_pixels, match
from labelenc_mm.evaluation.edges.suppression import suppress_non_maxima
from labelenc_mm.evaluation.edges.thinning import thin

HALF = np.array([0.5])


def line(row, size=(80, 100)):
    edges = np.zeros(size, bool)
    edges[row, 10:90] = True
    return edges


def test_recall_counts_every_annotator_and_precision_any():
    strength = np.maximum(line(20), line(60)).astype(float)
    found, annotated, right, predicted = count_image(
        strength, [line(20), line(20), line(40)], HALF, suppress=False
    )
    assert (found[0], annotated[0], right[0], predicted[0]) == (160, 240, 80, 160)


@pytest.mark.parametrize(('shift', 'number'), [(0, 80), (1, 80), (2, 0)])
def test_tolerance_is_a_share_of_the_diagonal(shift, number):
    """Of 80x100 pixels 1.5 % are 1.92 pixels."""
    (found,), _, (right,), _ = count_image(
        line(40 + shift).astype(float), [line(40)], HALF, tolerance=0.015, suppress=False
    )
    assert (found, right) == (number, number)


def test_a_thick_soft_edge_counts_as_its_ridge():
    y = np.arange(80)[:, None] + np.zeros((1, 100))
    strength = np.exp(-(((y - 40) / 2.5) ** 2))
    found, _, right, predicted = count_image(strength, [line(40)], HALF)
    assert found[0] == 80 and right[0] >= 80
    assert predicted[0] <= 100


@pytest.mark.parametrize('seed', range(3))
def test_counts_are_those_of_each_threshold_alone(seed):
    rng = np.random.default_rng(seed)
    strength = rng.integers(0, 5, (24, 30)) / 5  # few levels: most thresholds change nothing
    maps = rng.random((3, 24, 30)) < 0.1
    values = thresholds(19)
    found = count_image(strength, maps, values, tolerance=0.05)
    radius = 0.05 * np.hypot(24, 30)
    ridges = suppress_non_maxima(strength)
    for index, value in enumerate(values):
        cells = np.flatnonzero(thin(ridges >= value))
        matched = [match(cells, edge_pixels(each, radius), 30, radius) for each in maps]
        expected = (
            sum(of_human.sum() for _, of_human in matched),
            maps.sum(),
            np.any([of_map for of_map, _ in matched], axis=0).sum(),
            len(cells),
        )
        assert tuple(each[index] for each in found) == expected


def test_maps_that_a_threshold_does_not_change_are_not_matched_again(monkeypatch):
    calls = []
    monkeypatch.setattr(module, 'match', lambda *args: calls.append(1) or match(*args))
    count_image(line(40) * 0.55, [line(40)], thresholds(99), suppress=False)
    assert len(calls) == 2  # below and above


def test_maps_without_an_edge():
    found = count_image(np.zeros((30, 40)), [np.zeros((30, 40), bool)] * 2, thresholds(5))
    assert not np.any(found)
