"""PASCAL Context with 33 classes, on label maps as the data set's tools write them."""

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmseg.datasets import PascalContextDataset
from PIL import Image

from labelenc_mm.datasets import PascalContextDataset33

STORED = PascalContextDataset.METAINFO['classes']  # of the numbers in the files, 0 is background


@pytest.fixture
def folder(tmp_path):
    for name in ('images', 'maps'):
        (tmp_path / name).mkdir()
    Image.fromarray(np.zeros((6, 10, 3), np.uint8)).save(tmp_path / 'images' / 'a.jpg')
    labels = np.arange(60, dtype=np.uint8).reshape(6, 10)
    Image.fromarray(labels).save(tmp_path / 'maps' / 'a.png')
    return tmp_path


def loaded(folder, **options):
    prefix = dict(img_path='images', seg_map_path='maps')
    pipeline = [dict(type='mmseg.LoadAnnotations')]
    dataset = PascalContextDataset33(
        data_root=str(folder), data_prefix=prefix, pipeline=[], **options
    )
    return dataset, Compose(pipeline)(dataset[0])['gt_seg_map'].flatten()


def test_the_33_classes_keep_their_pixels_and_all_others_are_void(folder):
    dataset, labels = loaded(folder)
    classes = dataset.metainfo['classes']
    assert len(set(classes)) == 33
    # Mottaghi et al. (CVPR 2014): VOC's 20 and 13 of scenes.
    scenes = 'sky grass ground road building tree water mountain wall floor track keyboard ceiling'
    assert list(classes[20:]) == scenes.split()
    expected = [classes.index(name) if name in classes else 255 for name in STORED]
    assert labels.tolist() == expected
    assert (labels != 255).sum() == 33 and labels[0] == 255


def test_colours_are_those_of_the_59_classes(folder):
    dataset, _ = loaded(folder)
    meta = PascalContextDataset.METAINFO
    colours = dict(zip(meta['classes'], meta['palette']))
    found = zip(dataset.metainfo['classes'], dataset.metainfo['palette'], strict=True)
    assert all(list(colour) == colours[name] for name, colour in found)


def test_a_part_of_the_33_may_be_named(folder):
    _, labels = loaded(folder, metainfo=dict(classes=('sky', 'cat')))
    names = {STORED[i]: label for i, label in enumerate(labels.tolist()) if label != 255}
    assert names == {'sky': 0, 'cat': 1}
