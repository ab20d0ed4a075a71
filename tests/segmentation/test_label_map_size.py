"""The check of label maps against the size of their images."""

import numpy as np
import pytest
from mmcv.transforms import Resize
from mmseg.datasets import LoadAnnotations, PackSegInputs
from PIL import Image

from labelenc_mm.segmentation.label_map_size import CheckLabelMapSize, check_sizes


def results(map_size, **others):
    return dict(
        gt_seg_map=np.zeros(map_size, np.uint8),
        ori_shape=(48, 64),
        seg_map_path='labels/a.png',
        img_path='images/a.jpg',
        **others,
    )


def test_equal_sizes_pass_whatever_the_size_of_the_network_input():
    sample = results((48, 64), img_shape=(96, 128))
    assert CheckLabelMapSize()(sample) is sample


@pytest.mark.parametrize('size', [(64, 48), (48, 63), (96, 128)])
def test_other_sizes_are_refused_by_both_files(size):
    with pytest.raises(ValueError) as error:
        CheckLabelMapSize()(results(size))
    assert f'labels/a.png: the label map has (height, width) {size}' in str(error.value)
    assert 'its image images/a.jpg has (48, 64)' in str(error.value)


def test_sizes_are_written_as_plain_numbers():
    sample = results((48, 63))
    sample['ori_shape'] = np.array([48, 64])
    with pytest.raises(ValueError, match=r'has \(48, 64\)$'):
        CheckLabelMapSize()(sample)


def test_maps_in_colours_are_refused_as_such(tmp_path):
    path = str(tmp_path / 'colours.png')
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(path)
    sample = dict(seg_map_path=path, ori_shape=(48, 64), seg_fields=[], reduce_zero_label=False)
    message = (
        r'colours\.png: the label map has shape \(48, 64, 3\), where one channel of class numbers'
    )
    with pytest.raises(ValueError, match=message):
        CheckLabelMapSize()(LoadAnnotations()(sample))


def test_the_check_follows_the_loader_once_wherever_it_stands():
    loader, resize, pack = LoadAnnotations(), Resize(scale=(8, 8)), PackSegInputs()
    for transforms, index in (
        ([loader, resize, pack], 1),
        ([resize, loader, pack], 2),
        ([resize, loader], 2),  # as where several images are mixed
    ):
        checked = check_sizes(transforms)
        assert isinstance(checked.pop(index), CheckLabelMapSize) and checked == transforms
    for transforms in ([loader, pack], [loader]):
        checked = check_sizes(transforms)
        assert check_sizes(checked) == checked
