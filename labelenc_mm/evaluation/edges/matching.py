"""Correspondence of two edge maps: the minimum-cost matching of the Berkeley boundary benchmark.

Martin, Fowlkes and Malik (PAMI 2004, appendix B): a pixel of one map and a pixel of the other may be a pair if
they are at most a radius apart. A pair costs its distance, a pixel that stays alone 100 times the radius; so
there are as many pairs as possible, and among these matchings it is the one of the smallest total distance.

It is found as an assignment in which every pixel has a dummy. With n and m pixels there are n + m rows and as
many columns::

             m pixels         n dummies
    n pixels distances        100 r where it is the pixel's own
    m dummies 100 r of its own 0 where the pair of the mirrored place may be

A pair leaves two dummies over, which the mirrored place of cost 0 pairs; so a perfect assignment exists
whatever stays alone. Everything is sparse. The published tool gives a pixel some dummies at random places to
the same end; the number of pairs is the same, of pixels at equal distances another may be taken.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ALONE = 100.0
"""What a pixel costs that stays alone, in radii (Martin et al.)."""


class EdgePixels(NamedTuple):
    """The pixels of an edge map, and where each of them stands in their list."""

    cells: NDArray[np.int64]
    """(n,) numbers of the pixels, row by row."""
    places: NDArray[np.int32]
    """(H + 2 b, W + 2 b) place of each pixel in ``cells``, -1 where there is no edge; b as in :func:`_disc`."""


def edge_pixels(edges: NDArray[np.bool_], radius: float) -> EdgePixels:
    """List the pixels of a map, once for all maps that it is matched with.

    Args:
        edges: (H, W).
        radius: That of :func:`match`, in pixels.
    """
    border, _, _ = _disc(radius)
    cells = np.flatnonzero(edges)
    places = np.full([length + 2 * border for length in edges.shape], -1, np.int32)
    rows, columns = np.divmod(cells, edges.shape[1])
    places[rows + border, columns + border] = np.arange(len(cells))
    return EdgePixels(cells, places)


def match(
    first: NDArray[np.int64], second: EdgePixels, width: int, radius: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Match the pixels of two maps.

    Args:
        first: (n,) numbers of the first map's pixels, row by row and rising.
        second: The m pixels of the second map.
        width: Of the maps.
        radius: Largest distance of a pair in pixels.

    Returns:
        Which pixels have a partner: (n,) of the first map, (m,) of the second.

    Raises:
        ImportError: The package ``lap`` is missing.
    """
    lapmod = load_solver()
    has_first, has_second = np.zeros(len(first), bool), np.zeros(len(second.cells), bool)
    border, offsets, distances = _disc(radius)
    stride = second.places.shape[1]
    rows, columns = np.divmod(first, width)
    corners = (rows + border) * stride + columns + border
    steps = offsets[:, 0] * stride + offsets[:, 1]
    partners = second.places.ravel()[corners[:, None] + steps]
    i, k = np.nonzero(partners >= 0)
    if not len(i):
        return has_first, has_second
    # Pixels without anybody near are left out; they stay alone whatever the others do.
    firsts, i = np.unique(i, return_inverse=True)
    seconds, j = np.unique(partners[partners >= 0], return_inverse=True)
    n, m = len(firsts), len(seconds)
    alone = ALONE * radius
    # Rows of pixels: their partners, then their own dummy. Rows of dummies: their own pixel, then the mirrored
    # places. Solvers want columns in rising order, which both have: partners were found row by row.
    mirrored = np.argsort(j, kind='stable')
    number_i, number_j = np.bincount(i, minlength=n) + 1, np.bincount(j, minlength=m) + 1
    starts = np.concatenate([[0], np.cumsum(np.concatenate([number_i, number_j]))])
    size = starts[-1]
    is_own = np.zeros(size, bool)
    is_own[starts[1 : n + 1] - 1] = True
    is_own[starts[n:-1]] = True
    is_pair = ~is_own
    costs = np.full(size, alone)
    costs[is_pair] = np.concatenate([distances[k], np.zeros(len(i))])
    places = np.empty(size, np.int32)
    places[is_own] = np.concatenate([m + np.arange(n), np.arange(m)])
    places[is_pair] = np.concatenate([j, m + i[mirrored]])
    _, taken, _ = lapmod(n + m, costs, starts.astype(np.int32), places)
    taken = taken[:n]
    is_pair = taken < m
    has_first[firsts[is_pair]] = True
    has_second[seconds[taken[is_pair]]] = True
    return has_first, has_second


@cache
def _disc(radius: float) -> tuple[int, NDArray[np.int64], NDArray[np.float64]]:
    """Border that it needs, (K, 2) offsets (y, x) of the pixels within the radius, row by row, distances."""
    border = math.floor(radius)
    grid = np.arange(-border, border + 1)
    offsets = np.stack(np.meshgrid(grid, grid, indexing='ij'), -1).reshape(-1, 2)
    distances = np.hypot(*offsets.T)
    is_near = distances <= radius
    return border, offsets[is_near], distances[is_near]


def load_solver() -> Callable:
    """Import the solver of assignments.

    Raises:
        ImportError: It is missing; says how to install it.
    """
    try:
        from lap import lapmod
    except ImportError as error:
        raise ImportError(
            'edges are matched with the package lap, which cannot be imported '
            f"({error}): pip install 'labelenc-mm[edges]'"
        ) from error
    return lapmod
