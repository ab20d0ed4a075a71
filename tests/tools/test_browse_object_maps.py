"""Pictures of object maps: which files are left, and what bad configs are told."""

import json
import runpy
from pathlib import Path

import pytest
from object_map_configs import write_mask_config
from PIL import Image

from labelenc_mm.shape_scenes import CLASSES, write_shape_scenes

pytest.importorskip('mmdet')

SIZE = (64, 96)
NO_FACTOR = 'val_dataloader.dataset.pipeline.3.meta_keys=img_path,ori_shape'
tool = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'browse_object_maps.py'))


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_shape_scenes(
        tmp_path_factory.mktemp('data') / 'scenes', 4, 2, SIZE, progress=False
    )


@pytest.fixture
def config(tmp_path, data_root):
    return write_mask_config(tmp_path / 'tiny.py', data_root)


def test_one_picture_per_image(config, tmp_path):
    tool['main']([str(config), '--num', '4', '--output-dir', str(tmp_path / 'out')])
    pictures = sorted((tmp_path / 'out').iterdir())
    assert [path.name for path in pictures] == [f'{i:06d}_{i:06d}.png' for i in range(4)]
    with Image.open(pictures[0]) as picture:
        assert min(picture.size) > 200


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


def test_names_with_slashes_and_dollars_and_sizes_as_floats(config, tmp_path, data_root):
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


def test_a_broken_image_is_named_without_a_traceback(config, tmp_path):
    data = write_shape_scenes(tmp_path / 'scenes', 4, 2, SIZE, progress=False)
    (data / 'images' / 'train' / '000000.png').write_bytes(b'')
    options = ['--cfg-options', f'train_dataloader.dataset.data_root={data}']
    with pytest.raises(SystemExit, match=r'error: LoadImageFromFile failed for .*000000\.png'):
        tool['main']([str(config), '--output-dir', str(tmp_path / 'out'), *options])
