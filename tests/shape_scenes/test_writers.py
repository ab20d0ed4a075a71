"""Written data sets: what they hold, that they are reproducible, and what happens on faults."""

import contextlib
import copy
import hashlib
import io
import json
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelenc_mm.shape_scenes import CLASSES, ShapeScenes, write_shape_scenes

SIZE = (48, 64)


def write(root, num_train=6, num_val=3, size=SIZE, seed=0, **kwargs):
    return write_shape_scenes(root, num_train, num_val, size, seed, progress=False, **kwargs)


def digests(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp('written') / 'scenes', void_contour=0)


def test_the_files_hold_the_scenes(written):
    for split, count in (('train', 6), ('val', 3)):
        scenes = ShapeScenes(SIZE, split)
        coco = json.loads((written / 'annotations' / f'{split}.json').read_text())
        assert [image['file_name'] for image in coco['images']] == [
            f'{index:06d}.png' for index in range(count)
        ]
        for image in coco['images']:
            scene, name = scenes[image['id']], image['file_name']
            read = cv2.imread(str(written / 'images' / split / name))
            np.testing.assert_array_equal(read, scene.image)
            with Image.open(written / 'labels' / split / name) as label_png:
                np.testing.assert_array_equal(np.array(label_png), scene.label_map)
            found = [a for a in coco['annotations'] if a['image_id'] == image['id']]
            assert [a['category_id'] - 1 for a in found] == scene.labels.tolist()
            assert (image['height'], image['width']) == SIZE


def test_a_larger_data_set_contains_the_smaller_one_and_workers_change_nothing(written, tmp_path):
    large = digests(write(tmp_path / 'large', num_train=9, workers=2))
    small = digests(written)
    pictures = {name for name in small if name.startswith(('images', 'labels'))}
    assert len(pictures) == 18 and all(large[name] == small[name] for name in pictures)
    same = digests(write(tmp_path / 'same', workers=2))
    assert same == small


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_truth_against_truth_scores_one(written, kind):
    """pycocotools reads boxes and masks; predicting the truth gives AP = 1 for every class."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(written / 'annotations' / 'train.json'))
        results = [
            {**copy.deepcopy(a), 'score': 0.9, 'segmentation': truth.annToRLE(a)}
            for a in truth.dataset['annotations']
        ]
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
    assert truth.cats[1]['name'] == CLASSES[0] and len(truth.cats) == len(CLASSES)
    assert min(truth.anns) == 1  # 0 means 'no match' inside COCOeval


def test_repeating_does_nothing(tmp_path):
    root = write(tmp_path / 'scenes')
    before = {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    write(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob('*')} == before


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'num_train': 7}, 'num_train is 6, asked for 7'),
        ({'seed': 5}, 'seed is 0, asked for 5'),
        ({'size': (64, 64)}, r'size is \[48, 64\], asked for \[64, 64\]'),
        ({'void_contour': 2}, 'void_contour'),
    ],
)
def test_other_parameters_are_refused_unless_overwriting(tmp_path, change, message):
    root = write(tmp_path / 'scenes')
    with pytest.raises(FileExistsError, match=message):
        write(root, **change)
    write(root, **change, overwrite=True)
    assert digests(root) == digests(write(tmp_path / 'fresh', **change))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['fresh', 'scenes']


def test_damaged_data_are_noticed(tmp_path):
    root = write(tmp_path / 'scenes')
    (root / 'images' / 'train' / '000002.png').unlink()
    with pytest.raises(FileExistsError, match='images/train holds 5 files'):
        write(root)
    write(root, overwrite=True)
    assert (root / 'images' / 'train' / '000002.png').is_file()


def test_a_folder_with_other_things_is_never_touched(tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match='holds no shape scenes'):
            write(tmp_path, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_an_error_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError('no space left on device')

    monkeypatch.setattr('labelenc_mm.shape_scenes.writers.write_label_png', full_disk)
    with pytest.raises(OSError, match='no space'):
        write(tmp_path / 'scenes')
    assert not list(tmp_path.iterdir())


def test_a_killed_run_is_never_taken_for_complete(tmp_path):
    root = tmp_path / 'scenes'
    code = (
        'from labelenc_mm.shape_scenes import write_shape_scenes\n'
        f'write_shape_scenes({str(root)!r}, 100000, 1, {SIZE}, progress=False)'
    )
    process = subprocess.Popen([sys.executable, '-c', code])
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob('*.png'))) < 5:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not root.exists()
    assert [path.name.startswith('.scenes.partial-') for path in tmp_path.iterdir()] == [True]

    write(root)
    assert [path.name for path in tmp_path.iterdir()] == ['scenes']
    assert len(list((root / 'images' / 'train').iterdir())) == 6


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'num_train': -1}, 'num_train'),
        ({'void_contour': -1}, 'void_contour'),
        ({'workers': -1}, 'workers'),
        ({'image_format': 'gif'}, 'image_format'),
        ({'size': (8, 8)}, 'at least 32'),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / 'scenes', **kwargs)
    assert not list(tmp_path.iterdir())


def test_jpeg_images_and_empty_splits(tmp_path):
    root = write(tmp_path / 'scenes', num_val=0, image_format='jpg')
    read = cv2.imread(str(root / 'images' / 'train' / '000000.jpg')).astype(int)
    assert np.abs(read - ShapeScenes(SIZE)[0].image).mean() < 15  # noise does not survive
    assert json.loads((root / 'annotations' / 'val.json').read_text())['images'] == []


def test_mmdet_reads_boxes_and_masks(written):
    pytest.importorskip('mmdet')
    from mmdet.datasets import CocoDataset
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    dataset = CocoDataset(
        data_root=str(written),
        ann_file='annotations/train.json',
        data_prefix={'img': 'images/train/'},
        metainfo={'classes': CLASSES},
        pipeline=[
            {'type': 'LoadImageFromFile'},
            {'type': 'LoadAnnotations', 'with_bbox': True, 'with_mask': True},
        ],
    )
    assert len(dataset) == 6
    for index in range(6):
        results, scene = dataset[index], ShapeScenes(SIZE, 'train')[index]
        np.testing.assert_array_equal(results['img'], scene.image)
        np.testing.assert_array_equal(results['gt_bboxes'].tensor.numpy(), scene.boxes)
        np.testing.assert_array_equal(results['gt_bboxes_labels'], scene.labels)
        np.testing.assert_array_equal(results['gt_masks'].masks.astype(bool), scene.masks)
        assert not results['gt_ignore_flags'].any()


def test_mmseg_reads_label_maps(written):
    pytest.importorskip('mmseg')
    from mmseg.datasets import BaseSegDataset
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    dataset = BaseSegDataset(
        data_root=str(written),
        data_prefix={'img_path': 'images/val', 'seg_map_path': 'labels/val'},
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo={'classes': ('background', *CLASSES)},
        pipeline=[{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}],
    )
    assert len(dataset) == 3
    for index in range(3):
        np.testing.assert_array_equal(
            dataset[index]['gt_seg_map'], ShapeScenes(SIZE, 'val')[index].label_map
        )


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    """Data on another disk, as people keep them."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    (tmp_path / 'data').symlink_to(disk)
    for seed in (0, 1):
        write_shape_scenes(tmp_path / 'data', 1, 1, (32, 32), seed, overwrite=True)
        assert (tmp_path / 'data').is_symlink()
        assert (disk / 'images' / 'train' / '000000.png').is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['data', 'disk']
