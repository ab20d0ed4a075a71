import pytest
import torch

from labelenc_mm.pretraining.denoising.pixel_prediction import PixelPrediction, crop_to


def test_each_cell_predicts_the_pixels_that_it_covers():
    """Against the plain form: one linear layer a cell, its outputs laid out by hand."""
    layer = PixelPrediction(5, 4)
    features = torch.randn(2, 5, 3, 6)
    maps = layer(features)
    assert maps.shape == (2, 3, 12, 24)
    weight, bias = layer.conv.weight[:, :, 0, 0], layer.conv.bias
    for y, x in [(0, 0), (2, 5), (1, 3)]:
        block = (weight @ features[1, :, y, x] + bias).view(3, 4, 4)
        found = maps[1, :, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        torch.testing.assert_close(found, block)


@pytest.mark.parametrize('size', [(7, 5), (8, 1), (8, 8)])
def test_cells_may_reach_over_the_border(size):
    maps = torch.arange(64.0).view(1, 1, 8, 8)
    assert torch.equal(crop_to(maps, size), maps[..., : size[0], : size[1]])


@pytest.mark.parametrize('size', [(41, 40), (8, 40), (40, 8)])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match='size_divisor'):
        crop_to(torch.zeros(1, 1, 40, 40), size)
