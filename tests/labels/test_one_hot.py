"""One-hot label maps and the check of their values."""

import pytest
import torch
import torch.nn.functional as F

from labelenc_mm.labels import check_label_values, one_hot_label_maps


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


def test_many_foreign_labels_are_shortened():
    maps = torch.arange(256).reshape(1, 16, 16)
    with pytest.raises(ValueError, match=r'labels 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …, but'):
        check_label_values(maps, 2)
