"""Non-maximum suppression: ridges whose place is known, and the formula pixel by pixel."""

import math

import numpy as np
import pytest
from scipy.ndimage import convolve1d, gaussian_filter

from labelenc_mm.evaluation.edges.suppression import suppress_non_maxima


def ridge(angle, size=(60, 70), width=2.0):
    """A line through the middle whose normal has this angle, fading out on both sides."""
    y, x = np.mgrid[: size[0], : size[1]]
    middle = (size[0] - 1) / 2, (size[1] - 1) / 2
    distance = (x - middle[1]) * math.cos(angle) + (y - middle[0]) * math.sin(angle)
    return np.exp(-((distance / width) ** 2)).astype(np.float32), np.abs(distance)


@pytest.mark.parametrize('degrees', range(0, 180, 15))
def test_a_ridge_becomes_a_line_where_it_is_highest(degrees):
    strength, distance = ridge(math.radians(degrees))
    kept = suppress_non_maxima(strength)
    inside = np.zeros_like(kept, bool)
    inside[8:-8, 8:-8] = True
    assert (distance[inside & (kept > 0.1)] <= 1).all()
    # Without gaps: every row or column that the line crosses has a pixel.
    axis = 1 if abs(math.cos(math.radians(degrees))) > 0.7 else 0
    assert (kept[8:-8, 8:-8] > 0.5).any(axis=axis).all()


def plain_form(strength):
    """The published formula, written out: SciPy's filters, then a loop over pixels."""

    def triangle(image, radius):
        kernel = np.array([*range(1, radius + 2), *range(radius, 0, -1)]) / (radius + 1) ** 2
        for axis in (0, 1):
            image = convolve1d(image, kernel, axis=axis, mode='reflect')
        return image

    e = triangle(np.float64(strength), 1)
    s = triangle(e, 4)
    sy, sx = np.gradient(s)
    sxx, sxy, syy = np.gradient(sx, axis=1), np.gradient(sx, axis=0), np.gradient(sy, axis=0)
    angle = np.arctan(syy * np.sign(-sxy) / (sxx + 1e-5)) % np.pi
    height, width = e.shape

    def read(x, y):
        x, y = min(max(x, 0), width - 1.001), min(max(y, 0), height - 1.001)
        i, j = int(x), int(y)
        p, q = x - i, y - j
        return (
            e[j, i] * (1 - p) * (1 - q)
            + e[j, i + 1] * p * (1 - q)
            + e[j + 1, i] * (1 - p) * q
            + e[j + 1, i + 1] * p * q
        )

    kept = np.zeros_like(e)
    for j in range(height):
        for i in range(width):
            c, n = math.cos(angle[j, i]), math.sin(angle[j, i])
            if 1.01 * e[j, i] >= max(read(i + c, j + n), read(i - c, j - n)):
                kept[j, i] = e[j, i]
            for place, length in ((i, width), (j, height)):
                kept[j, i] *= min(min(place, length - 1 - place) / 5, 1)
    return kept


@pytest.mark.parametrize('seed', range(3))
def test_result_is_the_published_formula(seed):
    noise = gaussian_filter(np.random.default_rng(seed).random((33, 41)), 1.5)
    noise = (noise - noise.min()) / np.ptp(noise)
    found, expected = suppress_non_maxima(noise), plain_form(noise)
    differs = (found > 0) != (expected > 0)  # where 32 bits decide
    assert differs.mean() < 0.003
    np.testing.assert_allclose(found[~differs], expected[~differs], rtol=1e-4, atol=1e-6)


def test_flat_maps_stay_and_small_ones_have_a_margin_that_fits():
    assert not suppress_non_maxima(np.zeros((20, 20))).any()
    kept = suppress_non_maxima(np.ones((40, 40)))
    assert np.allclose(kept[5:-5, 5:-5], 1) and np.allclose(kept[20, :6], np.arange(6) / 5)
    assert suppress_non_maxima(np.ones((2, 3))).shape == (2, 3)


def test_a_single_row_is_refused():
    with pytest.raises(ValueError, match=r'\(1, 9\): it has no direction'):
        suppress_non_maxima(np.ones((1, 9)))
