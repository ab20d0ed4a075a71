"""One-hot label maps and the check of their values."""

import pytest
import torch
import torch.nn.functional as F

from labelenc_mm.labels import check_label_values, convolve_label_maps, one_hot_label_maps


@pytest.mark.parametrize('ignore_index', [255, 0, -1])
def test_one_hot_is_torchs_with_void_pixels_blanked(ignore_index):
    maps = torch.randint(0, 4, (2, 9, 11))
    maps[torch.rand(maps.shape) < 0.3] = ignore_index
    expected = F.one_hot(maps.clamp(0, 3), 4).permute(0, 3, 1, 2).float()
    expected *= (maps != ignore_index).unsqueeze(1)
    assert torch.equal(one_hot_label_maps(maps, 4, ignore_index), expected)
    for dtype in (torch.uint8, torch.int32):
        if ignore_index >= 0:
            assert torch.equal(one_hot_label_maps(maps.to(dtype), 4, ignore_index), expected)
    half = one_hot_label_maps(maps, 4, ignore_index, torch.bfloat16)
    assert half.dtype == torch.bfloat16 and torch.equal(half.float(), expected)


def test_labels_of_the_classes_and_void_pass():
    maps = torch.tensor([[[0, 1, 2, 255]]])
    check_label_values(maps, 3)
    check_label_values(torch.full((1, 2, 2), 255), 3)


@pytest.mark.parametrize('value', [3, 254, -1, 256])
def test_foreign_labels_are_refused_by_file_and_value(value):
    maps = torch.zeros(3, 4, 4, dtype=torch.int64)
    maps[1, 2, 3] = value
    with pytest.raises(
        ValueError, match=rf'^b\.png has labels {value}, but there are 3 classes \(0 to 2'
    ):
        check_label_values(maps, 3, names=['a.png', 'b.png', 'c.png'])
    maps[0, 0, 0] = 7
    with pytest.raises(ValueError, match='^label map 0 has labels 7,'):
        check_label_values(maps, 3)


@pytest.mark.parametrize(
    ('value', 'ignore_index', 'remedy'),
    [
        (255, 9, r'255 is void in the toolbox: set model\.decode_head\.ignore_index=255$'),
        (
            3,
            255,
            r'Set model\.decode_head\.num_classes=4 if 0 .* model\.decode_head\.ignore_index=3 ',
        ),
        (7, 255, r'Set model\.decode_head\.num_classes and metainfo\.classes .*\.ignore_index for'),
    ],
)
def test_foreign_labels_are_refused_with_the_key_to_set(value, ignore_index, remedy):
    maps = torch.tensor([[[0, 1, 2, value]]])
    with pytest.raises(ValueError, match=remedy):
        check_label_values(maps, 3, ignore_index, owner='model.decode_head')


def test_many_foreign_labels_are_shortened():
    maps = torch.arange(256).reshape(1, 16, 16)
    with pytest.raises(ValueError, match=r'labels 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …, but'):
        check_label_values(maps, 2)


@pytest.mark.parametrize('num_classes', [1, 2, 21, 150])
@pytest.mark.parametrize('size', [(9, 14), (1, 1), (2, 5)])
def test_convolution_by_lookup_is_the_convolution_of_one_hot_maps(num_classes, size):
    """Whole numbers, of which sums are exact; labels and void up to the borders."""
    generator = torch.Generator().manual_seed(0)
    label_maps = torch.randint(0, num_classes, (3, *size), generator=generator)
    label_maps[torch.rand(label_maps.shape, generator=generator) < 0.3] = 255
    weight = torch.randint(-50, 50, (6, num_classes, 3, 3), generator=generator).float()
    bias = torch.randint(-50, 50, (6,), generator=generator).float()
    expected = F.conv2d(one_hot_label_maps(label_maps, num_classes), weight, bias, padding=1)
    for dtype in (torch.int64, torch.int32, torch.uint8):
        assert torch.equal(convolve_label_maps(label_maps.to(dtype), weight, bias), expected)
    label_maps[label_maps == 255] = 1000
    assert torch.equal(convolve_label_maps(label_maps, weight, bias, 1000), expected)
