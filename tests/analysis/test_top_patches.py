"""Patches at which units respond most, beside a search through everything."""

import numpy as np
import pytest
import torch
from torch import nn

from labelenc_mm.analysis.top_patches import (
    TopPatches,
    draw_sheet,
    receptive_field,
    window_around,
)
from labelenc_mm.networks import TappedVGG


def maps_of(images=9, channels=3, size=(4, 5)):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(images, channels, *size, generator=generator)


@pytest.mark.parametrize('batch_size', [1, 4, 9])
def test_patches_are_the_largest_responses_of_different_images(batch_size):
    maps = maps_of()
    top = TopPatches(4)
    for batch in maps.split(batch_size):
        top.add(batch)
    for unit in range(3):
        ranked = sorted(range(9), key=lambda i: -float(maps[i, unit].max()))[:4]
        expected = []
        for image in ranked:
            found = np.argwhere(maps[image, unit].numpy() == maps[image, unit].max().item())
            expected.append((image, *found[0].tolist()))
        assert top.of_unit(unit) == expected
        assert top.values[unit].tolist() == [float(maps[i, unit].max()) for i in ranked]


def test_fewer_images_than_patches_give_as_many_as_there_are():
    top = TopPatches(4)
    top.add(maps_of(images=2))
    assert len(top.of_unit(0)) == 2
    with pytest.raises(ValueError, match='at least 1'):
        TopPatches(0)


@pytest.mark.parametrize('size', [(64, 96), (40, 33)])
@pytest.mark.parametrize('side', [16, 33, 200])
def test_windows_lie_inside_of_the_image_and_hold_the_cell(size, side):
    stride = 8
    for row in range(size[0] // stride):
        for column in range(size[1] // stride):
            left, top, length = window_around((row, column), stride, side, size)
            assert length == min(side, *size)
            assert 0 <= top <= size[0] - length and 0 <= left <= size[1] - length
            y, x = (row + 0.5) * stride, (column + 0.5) * stride
            if side < 200:
                assert top <= y <= top + length and left <= x <= left + length
            inner = side / 2 < y < size[0] - side / 2
            assert not inner or abs(top + length / 2 - y) <= 0.5


@pytest.mark.parametrize('layer', ['conv1_1', 'conv1_2', 'pool1', 'conv3_3', 'fc6'])
def test_receptive_field_is_what_a_cell_depends_on(layer):
    network = TappedVGG((layer,), base_channels=1, fc_channels=1, fc_dropout=0.0)
    for module in network.modules():  # without cells that are off
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.1)
            nn.init.constant_(module.bias, 0.1)
    # An average, unlike a maximum, passes a gradient to all of its window.
    for name, module in list(network.named_children()):
        if isinstance(module, nn.MaxPool2d):
            setattr(network, name, nn.AvgPool2d(2, 2))
    expected = receptive_field(TappedVGG((layer,), base_channels=1, fc_channels=1), layer)
    side = 2 * expected + 64
    image = torch.ones(1, 3, side, side, requires_grad=True)
    (feature,) = network.double()(image.double())
    middle = feature.shape[-1] // 2
    feature[0, 0, middle, middle].backward()
    touched = image.grad[0].abs().sum(0).amax(0) > 0
    assert int(touched.sum()) == expected


def test_receptive_field_of_vgg_16_is_the_known_one():
    network = TappedVGG(('fc7',), base_channels=1, fc_channels=1)
    assert receptive_field(network, 'conv5_3') == 196
    assert receptive_field(network, 'fc7') == 404
    with pytest.raises(ValueError, match="no layer 'fc9'"):
        receptive_field(network, 'fc9')


def test_sheet_has_a_row_a_unit_and_a_block_a_state():
    red, blue = np.zeros((2, 9, 9, 3), np.uint8)
    red[..., 2] = blue[..., 0] = 255
    sheet = draw_sheet([[[red, red], [blue, blue]]] * 3, ['a', 'b', 'c'], side=20)
    assert sheet.shape[0] % 3 == 0
    rows = np.split(sheet, 3)
    for row in rows:
        is_red = (row == (0, 0, 255)).all(2).sum()
        is_blue = (row == (255, 0, 0)).all(2).sum()
        assert is_red == is_blue == 2 * 20 * 20
        assert (row == (0, 0, 255)).all(2).any(0).argmax() == 0
