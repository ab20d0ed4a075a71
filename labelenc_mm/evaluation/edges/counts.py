"""Counts of one image: how many edge pixels of a prediction, and of its annotators, have a partner."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelenc_mm.evaluation.edges.matching import edge_pixels, match
from labelenc_mm.evaluation.edges.suppression import suppress_non_maxima
from labelenc_mm.evaluation.edges.thinning import thin

TOLERANCE = 0.0075
"""Radius of a pair as a share of the image's diagonal (the benchmark's for BSDS500)."""


class BoundaryCounts(NamedTuple):
    """Numbers of pixels at T thresholds, which add up over images; each (T,) int64."""

    found: NDArray[np.int64]
    """Of all annotators, those with a partner in the prediction."""
    annotated: NDArray[np.int64]
    """Of all annotators."""
    right: NDArray[np.int64]
    """Of the prediction, those with a partner in the map of any annotator."""
    predicted: NDArray[np.int64]
    """Of the prediction."""


def thresholds(number: int) -> NDArray[np.float64]:
    """Values between 0 and 1 at equal distances, both ends left out.

    Args:
        number: Of thresholds; 99 for published figures.
    """
    return np.arange(1, number + 1) / (number + 1)


def count_image(
    strength: NDArray[np.floating],
    annotators: Sequence[NDArray[np.bool_]] | NDArray[np.bool_],
    values: NDArray[np.floating],
    tolerance: float = TOLERANCE,
    suppress: bool = True,
) -> BoundaryCounts:
    """Compare a soft edge map with all annotators of its image.

    Args:
        strength: (H, W) in [0, 1].
        annotators: K maps of (H, W).
        values: (T,) rising thresholds.
        tolerance: As a share of the diagonal.
        suppress: Whether the map is thick: it then goes through non-maximum suppression first.

    Returns:
        The counts at all thresholds.
    """
    height, width = strength.shape
    radius = tolerance * float(np.hypot(height, width))
    ridges = suppress_non_maxima(strength) if suppress else strength
    human = [edge_pixels(np.asarray(each, bool), radius) for each in annotators]
    counts = np.zeros((len(values), 4), np.int64)
    counts[:, 1] = sum(len(each.cells) for each in human)
    # Pixels above each threshold; where two have as many, they have the same.
    above = np.searchsorted(np.sort(ridges, axis=None), values)
    for index, value in enumerate(values):
        if index and above[index] == above[index - 1]:
            counts[index] = counts[index - 1]
            continue
        cells = np.flatnonzero(thin(ridges >= value))
        found, right = 0, np.zeros(len(cells), bool)
        for each in human:
            has_partner, is_found = match(cells, each, width, radius)
            found += int(is_found.sum())
            right |= has_partner
        counts[index, [0, 2, 3]] = found, right.sum(), len(cells)
    return BoundaryCounts(*counts.T)
