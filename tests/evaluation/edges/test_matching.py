"""Matching of edge pixels against brute force, dense assignment, and cases of known answers."""

import itertools
import sys

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from labelenc_mm.evaluation.edges.matching import ALONE, edge_pixels, load_solver, match

SIZE = (9, 11)


def pairs(first, second, radius):
    """Which pixels of two maps have a partner, as maps."""
    cells = np.flatnonzero(first)
    of_first, of_second = match(cells, edge_pixels(second, radius), first.shape[1], radius)
    result = np.zeros((2, first.size), bool)
    result[0, cells[of_first]] = True
    result[1, np.flatnonzero(second)[of_second]] = True
    return result.reshape(2, *first.shape)


def distances(first, second):
    a, b = (np.argwhere(each).astype(float) for each in (first, second))
    return np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))


def cost(near, number_first, number_second, chosen, radius):
    """Total of the benchmark's formula for a list of pairs."""
    alone = number_first + number_second - 2 * len(chosen)
    return sum(near[i, j] for i, j in chosen) + ALONE * radius * alone


def brute_force(first, second, radius):
    """The smallest total over all matchings, and the pairs that it has."""
    near = distances(first, second)
    n, m = near.shape
    allowed = [(i, j) for i in range(n) for j in range(m) if near[i, j] <= radius]
    best = (cost(near, n, m, [], radius), 0)
    for number in range(1, min(n, m) + 1):
        for chosen in itertools.combinations(allowed, number):
            if all(len(set(side)) == number for side in zip(*chosen)):
                best = min(best, (cost(near, n, m, chosen, radius), number))
    return best


def dense(first, second, radius):
    """The same by a full matrix in which every pixel may take a dummy."""
    near = distances(first, second)
    n, m = near.shape
    forbidden = ALONE * radius * (n + m + 1)
    full = np.zeros((n + m, n + m))
    full[:n, :m] = np.where(near <= radius, near, forbidden)
    full[:n, m:] = full[n:, :m] = ALONE * radius
    rows, columns = linear_sum_assignment(full)
    chosen = [(i, j) for i, j in zip(rows, columns) if i < n and j < m and near[i, j] <= radius]
    return cost(near, n, m, chosen, radius), len(chosen)


@pytest.mark.parametrize('seed', range(12))
@pytest.mark.parametrize('radius', [1.0, 1.5, 3.2])
def test_as_many_pairs_as_dense_assignment_and_brute_force(seed, radius):
    rng = np.random.default_rng(seed)
    first, second = (rng.random(SIZE) < share for share in rng.uniform(0.02, 0.4, 2))
    found = pairs(first, second, radius)
    expected, number = dense(first, second, radius)
    assert found[0].sum() == found[1].sum() == number
    assert not (found[0] & ~first).any() and not (found[1] & ~second).any()
    # Which pixels have a partner is part of the answer: with those alone the best total is the same.
    assert dense(found[0], found[1], radius) == pytest.approx(
        (expected - ALONE * radius * (first.sum() + second.sum() - 2 * number), number)
    )
    few = (first & (rng.random(SIZE) < 5 / max(first.sum(), 1))).copy()
    few_second = second & (rng.random(SIZE) < 5 / max(second.sum(), 1))
    total, number = brute_force(few, few_second, radius)
    assert dense(few, few_second, radius) == pytest.approx((total, number))
    assert pairs(few, few_second, radius)[0].sum() == number


def line(*cells):
    edges = np.zeros(SIZE, bool)
    for cell in cells:
        edges[cell] = True
    return edges


def test_a_pair_may_be_as_far_apart_as_the_radius():
    first, second = line((2, 2)), line((5, 6))
    assert pairs(first, second, 5.0).sum() == 2
    assert pairs(first, second, 4.99).sum() == 0


def test_as_many_pairs_as_possible_come_before_short_ones():
    """The middle pixel's nearest partner is the only one of the left pixel."""
    first, second = line((4, 2), (4, 4)), line((4, 3), (4, 6))
    assert pairs(first, second, 2.0).sum() == 4


def test_of_two_candidates_the_nearer_one_has_the_partner():
    first, second = line((4, 2), (4, 5)), line((4, 4))
    assert np.array_equal(pairs(first, second, 3.0)[0], line((4, 5)))


def test_no_pixel_has_two_partners():
    first, second = line((4, 4)), line((4, 3), (4, 5), (3, 4))
    assert pairs(first, second, 2.0).sum(axis=(1, 2)).tolist() == [1, 1]


@pytest.mark.parametrize('swap', [False, True])
def test_nothing_to_match(swap):
    maps = [line(), line((1, 1))]
    assert not pairs(*maps[:: -1 if swap else 1], 3.0).any()


def test_edges_at_opposite_borders_are_no_neighbours():
    """Lists of pixels go on from the end of one row to the beginning of the next."""
    first, second = line((3, 10)), line((4, 0), (3, 0))
    assert not pairs(first, second, 2.0).any()


def test_a_missing_solver_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, 'lap', None)
    with pytest.raises(ImportError, match=r"package lap.*pip install 'labelenc-mm\[edges\]'"):
        load_solver()
