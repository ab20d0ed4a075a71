"""Pictures of object maps: what is drawn of a sample, for which detector and pipeline."""

import numpy as np
import pytest
import torch
from object_map_configs import write_box_config, write_mask_config

from labelenc_mm.labels import draw_object_maps
from labelenc_mm.shape_scenes import CLASSES, ShapeScenes, write_shape_scenes

pytest.importorskip('mmdet')

from mmengine.registry import init_default_scope

from labelenc_mm.analysis.object_map_pictures import make_pictures
from labelenc_mm.command_line.config import read_config

SIZE = (64, 96)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_shape_scenes(
        tmp_path_factory.mktemp('data') / 'scenes', 4, 2, SIZE, progress=False
    )


@pytest.fixture
def config(tmp_path, data_root):
    return write_mask_config(tmp_path / 'tiny.py', data_root)


@pytest.fixture
def box_config(config, tmp_path):
    return write_box_config(tmp_path / 'boxes.py', config)


def pictures(path, count=1, split='train', options=None, **more):
    init_default_scope('mmdet')
    names, found = make_pictures(read_config(str(path), options), split, count, **more)
    assert names == CLASSES
    return list(found)


def test_maps_are_those_of_the_objects(config):
    found = pictures(config, 4)
    assert [picture.index for picture in found] == [0, 1, 2, 3]
    for picture in found:
        scene = ShapeScenes(SIZE, 'train')[picture.index]
        np.testing.assert_array_equal(picture.image, scene.image)
        np.testing.assert_array_equal(picture.boxes, scene.boxes)
        np.testing.assert_array_equal(picture.labels, scene.labels)
        assert picture.classes.tolist() == sorted(set(scene.labels.tolist()))
        for label, values in zip(picture.classes.tolist(), picture.maps.numpy(), strict=True):
            # The detector predicts masks, so maps fill exactly the visible pixels of the class.
            np.testing.assert_array_equal(values > 0, scene.label_map == label + 1)


def test_images_of_a_transform_that_leaves_floats_are_shown_as_they_are(config):
    jitter = "dict(type='PhotoMetricDistortion', brightness_delta=1)"
    config.write_text(config.read_text().replace('with_mask=True),', f'with_mask=True), {jitter},'))
    (picture,) = pictures(config)
    assert picture.image.dtype == np.uint8 and 20 < picture.image.mean() < 235


def first_box_is_full(picture):
    x1, y1, x2, y2 = picture.boxes[0].int().tolist()
    index = picture.classes.tolist().index(int(picture.labels[0]))
    return bool((picture.maps[index, y1:y2, x1:x2] >= 0.5).all())


def test_boxes_are_drawn_instead_of_masks_when_the_model_asks_for_them(config):
    (picture,) = pictures(config, options={'model.labelenc.label_source': 'box'})
    assert first_box_is_full(picture)


def test_boxes_are_drawn_for_a_box_detector_although_masks_are_loaded(box_config):
    """As in its training."""

    def drawn(**labelenc):
        options = {f'model.labelenc.{key}': value for key, value in labelenc.items()}
        return pictures(box_config, options=options)[0]

    picture = drawn()
    assert first_box_is_full(picture)
    assert not first_box_is_full(drawn(label_source='mask'))
    assert (drawn(pixel_offset=0.0).maps != picture.maps).any()
    inclusive = drawn(pixel_convention='inclusive')
    assert torch.equal(inclusive.boxes, picture.boxes)  # the frames are MMDetection's all the same
    ends = torch.tensor([0, 0, 1, 1])
    _, maps = draw_object_maps(picture.boxes - ends, picture.labels, SIZE, pixel_offset=0.0)
    assert torch.equal(inclusive.maps, maps)
    with pytest.raises(ValueError, match="must be 'exclusive' or 'inclusive'"):
        drawn(pixel_convention='x')


@pytest.mark.parametrize('padding', ['', "dict(type='Pad', size=(288, 192)),"])
def test_a_validation_pipeline_that_loads_boxes_unscaled_is_drawn_unscaled(box_config, padding):
    """Without the padding that stock detectors of one input size have."""
    text = box_config.read_text()
    box_config.write_text(text.replace('keep_ratio=True),', f'keep_ratio=True), {padding}'))
    found = pictures(box_config, 8, 'val')
    assert len(found) == 2
    for picture in found:
        scene = ShapeScenes(SIZE, 'val')[picture.index]
        assert picture.image.shape == scene.image.shape
        # Enlarged and made smaller again, edges become softer.
        assert np.abs(picture.image.astype(int) - scene.image).mean() < 8
        np.testing.assert_array_equal(picture.boxes, scene.boxes)


def test_augmentation_scales_values_and_follows_the_seed(config):
    plain, first, again, other = (
        pictures(config, **options)[0].maps
        for options in (dict(), dict(augment=True), dict(augment=True), dict(augment=True, seed=1))
    )
    assert (first <= plain).all() and (first < plain).any()
    assert (first == again).all() and (first != other).any()


WRAPPERS = """
dataset = train_dataloader['dataset']
other = dict(dataset, metainfo=dict(dataset['metainfo'], palette='random'))
parts = [dict(type='RepeatDataset', times=2, dataset=other), dataset]
"""
MOSAIC = """
mix = dict(pipeline=[dict(type='Mosaic', img_scale=(64, 64)), dict(type='PackDetInputs')])
steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
loading = dict(dataset, pipeline=steps)
train_dataloader = dict(dataset=dict(mix, type='MultiImageMixDataset', dataset=loading))
"""
CONCAT = "train_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=parts))"


@pytest.mark.parametrize('wrapper', [CONCAT, MOSAIC])
def test_data_are_taken_as_a_training_takes_them(box_config, wrapper):
    box_config.write_text(box_config.read_text() + WRAPPERS + wrapper)
    assert len(pictures(box_config, 3)) == 3
