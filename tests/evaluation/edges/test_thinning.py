"""Thinning, against scikit-image's form of the same algorithm."""

import cv2
import numpy as np
import pytest

from labelenc_mm.evaluation.edges.thinning import thin

morphology = pytest.importorskip('skimage.morphology')


@pytest.mark.parametrize('share', [0.1, 0.4, 0.6, 0.8, 0.95])
@pytest.mark.parametrize('blur', [0, 3])
def test_result_is_that_of_scikit_image(share, blur):
    rng = np.random.default_rng(0)
    noise = rng.random((60, 71)).astype(np.float32)
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
    edges = noise < np.quantile(noise, share)
    assert np.array_equal(thin(edges), morphology.thin(edges))


def test_every_neighbourhood_is_decided_alike():
    for code in range(256):
        bits = [code >> bit & 1 for bit in range(8)]
        edges = np.zeros((5, 5), bool)
        edges[1:4, 1:4] = np.insert(bits, 4, 1).reshape(3, 3)
        assert np.array_equal(thin(edges), morphology.thin(edges)), code


@pytest.mark.parametrize('value', [0, 1])
@pytest.mark.parametrize('shape', [(1, 1), (1, 7), (6, 9)])
def test_empty_and_full_maps(value, shape):
    edges = np.full(shape, bool(value))
    assert np.array_equal(thin(edges), morphology.thin(edges))


def test_a_thin_line_stays_and_the_argument_too():
    edges = np.eye(9, dtype=bool)
    assert np.array_equal(thin(edges), edges)
    bar = np.zeros((9, 20), bool)
    bar[3:6, 2:18] = True
    before = bar.copy()
    assert thin(bar).sum(0).max() == 1 and np.array_equal(bar, before)
