"""A segmentor's pipeline without its images: the same label maps, and no image is read."""

import random

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.datasets import LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from labelenc_mm.segmentation import BlankImageLikeLabelMap, label_only
from labelenc_mm.segmentation.data.label_only_pipeline import image_loaders, left_out


@pytest.fixture
def sample(tmp_path):
    """An image of noise and its label map, whose classes are tall enough to survive a crop."""
    generator = np.random.default_rng(0)
    label_map = generator.integers(0, 5, (12, 15)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(label_map).save(tmp_path / 'map.png')
    image = generator.integers(0, 256, (*label_map.shape, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / 'image.png')

    def make(reduce_zero_label=False):
        return dict(
            img_path=str(tmp_path / 'image.png'),
            seg_map_path=str(tmp_path / 'map.png'),
            label_map=None,
            reduce_zero_label=reduce_zero_label,
            seg_fields=[],
        )

    return make


def stock(name):
    """The stock pipelines of VOC for crops of 64 pixels."""
    init_default_scope('mmseg')
    config = Config.fromstring("_base_ = 'mmseg::_base_/datasets/pascal_voc12.py'", '.py')
    pipeline = config[name]
    for transform in pipeline:
        if 'scale' in transform:
            transform.scale = (160, 80)
        if 'crop_size' in transform:
            transform.crop_size = (64, 64)
    return [TRANSFORMS.build(transform) for transform in pipeline]


def run(transforms, results, seed=0):
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (mmseg draws from the global generator)
    for transform in transforms:
        results = transform(results)
    return results


@pytest.mark.parametrize('name', ['train_pipeline', 'test_pipeline'])
@pytest.mark.parametrize('reduce_zero_label', [False, True])
def test_label_maps_are_those_of_the_segmentor_and_images_are_not_read(
    name, reduce_zero_label, sample
):
    results = sample(reduce_zero_label)
    expected = run(stock(name), sample(reduce_zero_label))
    results['img_path'] = '/no such image.jpg'
    found = run(label_only(stock(name)), results)
    maps = [r['data_samples'].gt_sem_seg.data.numpy() for r in (found, expected)]
    np.testing.assert_array_equal(*maps)
    assert (255 in maps[0]) or not reduce_zero_label
    assert found['inputs'].shape == expected['inputs'].shape and not found['inputs'].any()
    for key in ('ori_shape', 'img_shape', 'scale_factor'):
        assert found['data_samples'].get(key) == expected['data_samples'].get(key)
    if name == 'test_pipeline':  # the network's size, and that of the file
        assert found['data_samples'].img_shape != maps[0].shape[1:]
        assert found['data_samples'].ori_shape == maps[0].shape[1:]


def test_order_stays_photometric_transforms_go_and_twice_is_once():
    transforms = stock('train_pipeline')
    found = label_only(transforms)
    assert [type(t).__name__ for t in found] == [
        'BlankImageLikeLabelMap',
        'LoadAnnotations',
        'RandomResize',
        'RandomCrop',
        'RandomFlip',
        'PackSegInputs',
    ]
    assert left_out(transforms, found) == {'PhotoMetricDistortion'}
    assert left_out(found, found) == left_out(stock('test_pipeline'), []) == set()
    assert found[0].loader is transforms[1]
    assert label_only(found) == found


def test_the_loader_can_be_named_in_a_config(sample):
    init_default_scope('mmseg')
    config = dict(type='BlankImageLikeLabelMap', loader=dict(type='LoadAnnotations'))
    results = TRANSFORMS.build(config)(sample())
    assert results['img_shape'] == results['ori_shape'] == (96, 120)
    assert results['img'].shape == (96, 120, 3)
    assert 'gt_seg_map' not in results and results['seg_fields'] == []
    assert isinstance(BlankImageLikeLabelMap().loader, LoadAnnotations)


def test_a_pipeline_without_label_maps_is_refused():
    transforms = [t for t in stock('train_pipeline') if not isinstance(t, LoadAnnotations)]
    with pytest.raises(
        ValueError, match='loads none: LoadImageFromFile, RandomResize, .*Add LoadA'
    ):
        label_only(transforms)


def test_loaders_that_stay_are_told():
    init_default_scope('mmseg')
    configs = [dict(type='LoadBiomedicalImageFromFile'), dict(type='LoadAnnotations')]
    transforms = label_only([TRANSFORMS.build(config) for config in configs])
    assert image_loaders(transforms) == {'LoadBiomedicalImageFromFile'}
    assert image_loaders(label_only(stock('train_pipeline'))) == set()


def test_a_label_map_of_another_size_than_its_image_is_refused_without_decoding(sample, tmp_path):
    Image.new('RGB', (119, 96)).save(tmp_path / 'image.png')
    with pytest.raises(ValueError, match=r'map.png: the label map has .* \(96, 120\), its image'):
        BlankImageLikeLabelMap()(sample())
