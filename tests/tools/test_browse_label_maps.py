"""Pictures of label maps: what is drawn, and what bad configs are told."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labelenc_mm.labels import draw_label_maps
from labelenc_mm.shape_scenes import CLASSES, ShapeScenes, write_shape_scenes

pytest.importorskip('mmdet')

SIZE = (64, 96)
NO_FACTOR = 'val_dataloader.dataset.pipeline.3.meta_keys=img_path,ori_shape'
tool = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'browse_label_maps.py'))


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_shape_scenes(
        tmp_path_factory.mktemp('data') / 'scenes', 4, 2, SIZE, progress=False
    )


@pytest.fixture
def config(tmp_path, data_root):
    """A mask detector with a training pipeline and a stock validation pipeline (boxes last)."""
    path = tmp_path / 'tiny.py'
    heads = 'bbox_head=dict(num_classes=8), mask_head=dict(num_classes=8)'
    path.write_text(f"""
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
default_scope = 'mmdet'
def loader(split, pipeline):
    return dict(batch_size=1, dataset=dict(
        type='CocoDataset', data_root={str(data_root)!r}, ann_file=f'annotations/{{split}}.json',
        data_prefix=dict(img=f'images/{{split}}/'), metainfo=dict(classes={CLASSES!r}),
        pipeline=pipeline))
train_dataloader = loader('train', [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='PackDetInputs')])
val_dataloader = loader('val', [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(192, 128), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs',
         meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))])
model = dict(type='LabelEncMaskRCNN', labelenc=dict(stage='autoencode'), roi_head=dict({heads}))
""")
    return path


@pytest.fixture
def box_config(config, tmp_path):
    """The same data for a detector that predicts boxes alone, in its stock form."""
    path = tmp_path / 'boxes.py'
    data = config.read_text().split('default_scope', 1)[1].split('model = dict(', 1)[0]
    path.write_text(
        f"_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'\ndefault_scope{data}"
        'model = dict(bbox_head=dict(num_classes=8))\n'
    )
    return path


@pytest.fixture
def drawn(monkeypatch):
    """What the tool hands to the drawing of its pictures, one tuple per image."""
    calls = []
    original = tool['draw_picture']

    def record(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setitem(tool['browse'].__globals__, 'draw_picture', record)
    return calls


def test_one_picture_per_image_with_the_maps_of_its_objects(config, tmp_path, drawn):
    tool['main']([str(config), '--num', '4', '--output-dir', str(tmp_path / 'out')])
    pictures = sorted((tmp_path / 'out').iterdir())
    assert [path.name for path in pictures] == [f'{i:06d}_{i:06d}.png' for i in range(4)]
    with Image.open(pictures[0]) as picture:
        assert min(picture.size) > 200
    for index, (image, boxes, labels, classes, maps, names) in enumerate(drawn):
        scene = ShapeScenes(SIZE, 'train')[index]
        np.testing.assert_array_equal(image, scene.image)
        np.testing.assert_array_equal(boxes, scene.boxes)
        np.testing.assert_array_equal(labels, scene.labels)
        assert classes.tolist() == sorted(set(scene.labels.tolist())) and names == CLASSES
        for label, values in zip(classes.tolist(), maps.numpy(), strict=True):
            # The detector predicts masks, so maps fill exactly the visible pixels of the class.
            np.testing.assert_array_equal(values > 0, scene.label_map == label + 1)


def test_images_of_a_transform_that_leaves_floats_are_shown_as_they_are(config, tmp_path, drawn):
    jitter = "dict(type='PhotoMetricDistortion', brightness_delta=1)"
    config.write_text(config.read_text().replace('with_mask=True),', f'with_mask=True), {jitter},'))
    tool['main']([str(config), '--num', '1', '--output-dir', str(tmp_path / 'out')])
    image = drawn[0][0]
    assert image.dtype == np.uint8 and 20 < image.mean() < 235


def assert_first_box_is_full(drawn):
    _, boxes, labels, classes, maps, _ = drawn
    x1, y1, x2, y2 = boxes[0].int().tolist()
    assert (maps[classes.tolist().index(int(labels[0])), y1:y2, x1:x2] >= 0.5).all()


def test_boxes_are_drawn_instead_of_masks_when_the_model_asks_for_them(config, tmp_path, drawn):
    options = ['--cfg-options', 'model.labelenc.label_source=box']
    tool['main']([str(config), '--num', '1', '--output-dir', str(tmp_path / 'out'), *options])
    assert_first_box_is_full(drawn[0])


def test_boxes_are_drawn_for_a_box_detector_although_masks_are_loaded(box_config, tmp_path, drawn):
    """As in its training."""
    arguments = [str(box_config), '--num', '1', '--output-dir', str(tmp_path / 'out')]
    tool['main'](arguments)
    assert_first_box_is_full(drawn[0])
    tool['main']([*arguments, '--cfg-options', 'model.labelenc.label_source=mask'])
    with pytest.raises(AssertionError):
        assert_first_box_is_full(drawn[1])
    tool['main']([*arguments, '--cfg-options', 'model.labelenc.pixel_offset=0.0'])
    assert (drawn[2][4] != drawn[0][4]).any()
    tool['main']([*arguments, '--cfg-options', 'model.labelenc.pixel_convention=inclusive'])
    (_, boxes, labels, _, maps, _), expected = drawn[3], drawn[0]
    assert torch.equal(boxes, expected[1])  # the frames are MMDetection's all the same
    options = dict(pixel_offset=0.0)
    ends = torch.tensor([0, 0, 1, 1])
    assert torch.equal(maps, draw_label_maps(boxes - ends, labels, maps.shape[1:], **options)[1])
    with pytest.raises(SystemExit, match="must be 'exclusive' or 'inclusive'"):
        tool['main']([*arguments, '--cfg-options', 'model.labelenc.pixel_convention=x'])


@pytest.mark.parametrize('padding', ['', "dict(type='Pad', size=(288, 192)),"])
def test_a_validation_pipeline_that_loads_boxes_unscaled_is_drawn_unscaled(
    box_config, tmp_path, drawn, padding
):
    """Without the padding that stock detectors of one input size have."""
    text = box_config.read_text()
    box_config.write_text(text.replace('keep_ratio=True),', f'keep_ratio=True), {padding}'))
    tool['main']([str(box_config), '--split', 'val', '--output-dir', str(tmp_path / 'out')])
    assert len(drawn) == 2
    for index, (image, boxes, *_) in enumerate(drawn):
        scene = ShapeScenes(SIZE, 'val')[index]
        assert image.shape == scene.image.shape
        # Enlarged and made smaller again, edges become softer.
        assert np.abs(image.astype(int) - scene.image).mean() < 8
        np.testing.assert_array_equal(boxes, scene.boxes)


def test_augmentation_scales_values_and_follows_the_seed(config, tmp_path, drawn):
    for extra in ([], ['--augment'], ['--augment'], ['--augment', '--seed', '1']):
        tool['main']([str(config), '--num', '1', '--output-dir', str(tmp_path / 'out'), *extra])
    plain, first, again, other = (call[4] for call in drawn)
    assert (first <= plain).all() and (first < plain).any()
    assert (first == again).all() and (first != other).any()


def test_an_object_without_a_mask_is_told_with_its_file(config, tmp_path, data_root):
    annotations = json.loads((data_root / 'annotations' / 'train.json').read_text())
    for annotation in annotations['annotations']:
        del annotation['segmentation']
    path = tmp_path / 'boxes.json'
    path.write_text(json.dumps(annotations))
    options = [f'train_dataloader.dataset.ann_file={path}']
    with pytest.raises(SystemExit, match=r"000000\.png'.* KeyError: 'mask'.* has no 'mask' for it"):
        tool['main']([str(config), '--output-dir', str(tmp_path), '--cfg-options', *options])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['missing.py'], "'missing.py' does not exist"),
        (['CONFIG', '--num', '0'], 'at least 1'),
        (['CONFIG', '--cfg-options', 'default_scope=mmseg'], "default_scope 'mmseg'"),
        (['CONFIG', '--cfg-options', 'train_dataloader=None'], 'no train_dataloader'),
        (
            ['CONFIG', '--cfg-options', 'train_dataloader.dataset.pipeline.1.with_bbox=False'],
            r'000000\.png: the pipeline loads no bboxes',
        ),
        (['CONFIG', '--split', 'val'], r'000000\.png: the pipeline loads no masks'),
        (
            ['CONFIG', '--split', 'val', '--cfg-options', NO_FACTOR],
            r'000000\.png: PackDetInputs keeps no scale_factor',
        ),
        (
            ['CONFIG', '--cfg-options', 'model.roi_head.bbox_head.num_classes=1'],
            r'0000\d+\.png: object \d+ has label \d, but there are 1 classes',
        ),
        (['CONFIG', '--cfg-options', 'model=None'], 'no model'),
        (
            ['CONFIG', '--cfg-options', 'train_dataloader.dataset.ann_file=none.json'],
            r'none\.json',
        ),
        (
            ['CONFIG', '--cfg-options', 'train_dataloader.dataset.metainfo.classes=thing'],
            "is the text 'thing', of which every letter would be a class",
        ),
        (
            ['CONFIG', '--cfg-options', 'train_dataloader.dataset.metainfo.classes=lamp,house'],
            r"labels are not what metainfo\.classes calls them:\n  0: 'lamp' \(by its annotations: 'house'\)",
        ),
    ],
)
def test_what_the_user_can_mend_is_said(config, tmp_path, arguments, message):
    arguments = [str(config) if item == 'CONFIG' else item for item in arguments]
    with pytest.raises(SystemExit, match=message):
        tool['main']([*arguments, '--output-dir', str(tmp_path / 'out')])


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
def test_data_are_taken_as_a_training_takes_them(box_config, tmp_path, drawn, wrapper):
    box_config.write_text(box_config.read_text() + WRAPPERS + wrapper)
    tool['main']([str(box_config), '--num', '3', '--output-dir', str(tmp_path / 'out')])
    assert len(drawn) == len(list((tmp_path / 'out').iterdir())) == 3
    assert all(names == CLASSES for *_, names in drawn)


def test_names_with_slashes_and_dollars_and_sizes_as_floats(config, tmp_path, data_root, drawn):
    coco = json.loads((data_root / 'annotations' / 'train.json').read_text())
    names = ['a/b', 'c$_{$d', '..', ' ', '%', 'e^{', '{', 'é' * 300]
    for category, name in zip(coco['categories'], names, strict=True):
        category['name'] = name
    for image in coco['images']:
        image.update(width=float(image['width']), height=float(image['height']))
    (tmp_path / 'other.json').write_text(json.dumps(coco))
    text = config.read_text().replace(repr(CLASSES), repr(tuple(names)))
    path = f"f'{tmp_path}/other.json'"
    config.write_text(text.replace("f'annotations/{split}.json'", path))
    tool['main']([str(config), '--num', '4', '--output-dir', str(tmp_path / 'out')])
    assert len(list((tmp_path / 'out').iterdir())) == 4
    assert drawn[0][-1] == tuple(names)


def test_a_broken_image_is_named_without_a_traceback(config, tmp_path):
    data = write_shape_scenes(tmp_path / 'scenes', 4, 2, SIZE, progress=False)
    (data / 'images' / 'train' / '000000.png').write_bytes(b'')
    options = ['--cfg-options', f'train_dataloader.dataset.data_root={data}']
    with pytest.raises(SystemExit, match=r'error: LoadImageFromFile failed for .*000000\.png'):
        tool['main']([str(config), '--output-dir', str(tmp_path / 'out'), *options])
