import colorsys

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from labelenc_mm.pretraining.colorization.color_spaces import (
    around_gray,
    from_hue_and_chroma,
    from_lab,
    hue_and_chroma,
    hue_vectors,
    to_lab,
)

CORNERS = [[0, 0, 0], [1, 1, 1], [0.4, 0.4, 0.4], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
CORNERS += [[0, 1, 1], [1, 0, 1], [1, 0, 1e-7], [0.01, 0.02, 0.01]]


@pytest.fixture(scope='module')
def colors():
    """(K, 3) colors: random ones, and those where formulas break."""
    generator = torch.Generator().manual_seed(0)
    random = torch.rand(300, 3, generator=generator, dtype=torch.float64)
    levels = torch.randint(0, 256, (300, 3), generator=generator) / 255
    return torch.cat([torch.tensor(CORNERS, dtype=torch.float64), random, levels.double()])


def test_hue_is_that_of_the_standard_library_and_chroma_its_saturation_times_value(colors):
    hue, chroma = hue_and_chroma(colors)
    expected = [colorsys.rgb_to_hsv(*color) for color in colors.tolist()]
    np.testing.assert_allclose(hue, [h for h, _, _ in expected], atol=1e-12)
    np.testing.assert_allclose(chroma, [s * v for _, s, v in expected], atol=1e-12)
    assert ((hue >= 0) & (hue < 1)).all()


def test_hue_chroma_and_gray_make_the_color_again(colors):
    hue, chroma = hue_and_chroma(colors)
    np.testing.assert_allclose(from_hue_and_chroma(hue, chroma, colors.mean(1)), colors, atol=1e-12)


def test_a_color_that_does_not_exist_keeps_its_gray_and_its_hue():
    """Nearly white and full of chroma: as much of the chroma is left as fits."""
    gray = torch.tensor([0.9, 0.0, 1.0])
    found = from_hue_and_chroma(torch.full((3,), 0.55), torch.ones(3), gray)
    torch.testing.assert_close(found.mean(1), gray)
    assert found.min() >= 0 and found.max() == 1
    assert colorsys.rgb_to_hsv(*found[0].tolist())[0] == pytest.approx(0.55, abs=1e-5)


def test_lab_is_that_of_scikit_image(colors):
    np.testing.assert_allclose(to_lab(colors), rgb2lab(colors.numpy()), atol=0.02)
    lab = to_lab(colors)
    np.testing.assert_allclose(from_lab(lab), lab2rgb(lab.numpy()), atol=1e-3)
    np.testing.assert_allclose(from_lab(lab), colors, atol=1e-6)


def test_channels_are_the_second_dimension_whatever_follows(colors):
    maps = colors[:20].T.reshape(1, 3, 4, 5)
    for of_maps, of_colors in zip(hue_and_chroma(maps), hue_and_chroma(colors[:20])):
        assert torch.equal(of_maps.flatten(), of_colors)
    assert torch.equal(to_lab(maps).flatten(2)[0].T, to_lab(colors[:20]))


def test_nothing_is_nan_at_gray_and_black_in_value_or_gradient():
    colors = torch.tensor([[0.0, 0, 0], [1, 1, 1], [0.3, 0.3, 0.3]], requires_grad=True)
    gray = torch.tensor([0.0, 1.0, 0.3])
    hue, chroma = hue_and_chroma(colors)
    assert torch.equal(hue, torch.zeros(3)) and torch.equal(chroma, torch.zeros(3))
    made = [hue, chroma, to_lab(colors), from_lab(colors), around_gray(colors, gray)]
    sum(each.sum() for each in made).backward()
    assert all(torch.isfinite(each).all() for each in [*made, colors.grad])


def test_hue_vectors_point_to_the_centres_of_bins():
    vectors = hue_vectors(4)
    expected = [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    torch.testing.assert_close(vectors * 2**0.5, torch.tensor(expected, dtype=torch.float32))
