"""Blank images take the place of decoded ones; nothing is opened."""

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS

from labelenc_mm.detection import LoadBlankImage


def test_keys_shapes_and_types_are_those_of_a_loaded_image(tmp_path):
    path = str(tmp_path / 'image.png')
    cv2.imwrite(path, np.full((5, 7, 3), 9, np.uint8))
    info = dict(img_path=path, height=5, width=7)
    loaded = LoadImageFromFile()(dict(info))
    (tmp_path / 'image.png').unlink()
    blank = TRANSFORMS.build(dict(type='LoadBlankImage'))(dict(info))
    assert blank.keys() == loaded.keys()
    assert (blank['img'].shape, blank['img'].dtype) == (loaded['img'].shape, loaded['img'].dtype)
    assert not blank['img'].any()
    for key in ('img_shape', 'ori_shape'):
        assert blank[key] == loaded[key]


@pytest.mark.parametrize('size', [(5, 7), (5.0, 7.0), ('5', '7'), ('5.0', np.int64(7))])
def test_sizes_may_be_written_as_files_have_them(size):
    blank = LoadBlankImage()(dict(height=size[0], width=size[1]))
    assert blank['img'].shape == (5, 7, 3) and blank['ori_shape'] == (5, 7)
    assert all(type(side) is int for side in blank['img_shape'])


@pytest.mark.parametrize(
    'size',
    [
        {},
        dict(height=5),
        dict(height=5, width=0),
        dict(height=5.5, width=7),
        dict(height='a', width=7),
        dict(height=float('inf'), width=7),
        dict(height=float('nan'), width=7),
    ],
)
def test_annotations_without_a_size_are_named(size):
    with pytest.raises(ValueError, match=r'images/a\.png: the annotations give height and width'):
        LoadBlankImage()(dict(img_path='images/a.png', **size))
