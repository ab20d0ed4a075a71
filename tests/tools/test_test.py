"""`tools/test.py` serves both toolboxes with the arguments that their own tools have."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from labelenc_mm.shape_scenes import write_shape_scenes

ROOT = Path(__file__).resolve().parents[2]

DETECTOR = """
_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
model = dict(
    backbone=dict(base_channels=8, init_cfg=None),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=8),
    bbox_head=dict(num_classes=8, in_channels=8, feat_channels=8, stacked_convs=1))
classes = ('house', 'tree', 'person', 'car', 'boat', 'bird', 'fish', 'lamp')
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    data_root='DATA/', ann_file='annotations/val.json', data_prefix=dict(img='images/val/'),
    metainfo=dict(classes=classes)))
test_evaluator = dict(ann_file='DATA/annotations/val.json')
"""

SEGMENTOR = """
_base_ = 'mmseg::_base_/default_runtime.py'
default_hooks = dict(visualization=dict(type='SegVisualizationHook'))
test_cfg = dict(type='TestLoop')
norm = dict(type='SyncBN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64)),
    backbone=dict(type='ResNet', depth=18, base_channels=8, norm_cfg=norm),
    decode_head=dict(type='FCNHead', in_channels=64, channels=8, num_classes=9, norm_cfg=norm),
    test_cfg=dict(mode='whole'))
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='BaseSegDataset', data_root='DATA', seg_map_suffix='.png', img_suffix='.png',
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
        metainfo=dict(classes=list('abcdefghi'), palette=[[i] * 3 for i in range(9)]),
        pipeline=[*load, dict(type='PackSegInputs')]))
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
tta_model = dict(type='SegTTAModel')
tta_pipeline = [load[0], dict(type='TestTimeAug', transforms=[
    [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
    [load[1]], [dict(type='PackSegInputs')]])]
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_shape_scenes(tmp_path_factory.mktemp('data') / 'shapes', 1, 3, (64, 64))


def run_test(text, registry, data, folder, *arguments, **variables):
    """Test an untrained model; return the process."""
    config = folder / 'config.py'
    config.write_text(text.replace('DATA', str(data)))
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    model = registry.build(cfg.model)
    torch.save({'state_dict': model.state_dict()}, folder / 'model.pth')
    command = [sys.executable, ROOT / 'tools' / 'test.py', config, folder / 'model.pth', *arguments]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_detector(data, tmp_path):
    from mmdet.registry import MODELS

    # RetinaNet's config has neither a TTA model nor a TTA pipeline.
    arguments = ('--out', tmp_path / 'found.pkl', '--show-dir', 'pictures', '--tta')
    limit = {'DYNAMO_CACHE_SIZE_LIMIT': '7'}  # which MMDetection's own tools know
    output = run_test(DETECTOR, MODELS, data, tmp_path, *arguments, **limit)
    assert 'coco/bbox_mAP' in output and 'cache_size_limit is force set to 7' in output
    samples = pickle.loads((tmp_path / 'found.pkl').read_bytes())
    assert sorted(Path(sample['img_path']).name for sample in samples) == [
        f'{i:06}.png' for i in range(3)
    ]
    assert all(
        set(sample['pred_instances']) == {'bboxes', 'scores', 'labels'} for sample in samples
    )
    work_dir = tmp_path / 'work_dirs' / 'config'
    assert len(list(work_dir.glob('*/pictures/*.png'))) == 3
    # A training from what is left does not start from the tested weights.
    assert Config.fromfile(work_dir / 'config.py').load_from is None


def test_segmentor(data, tmp_path):
    pytest.importorskip('mmseg')
    from mmseg.registry import MODELS

    arguments = ('--out', tmp_path / 'maps', '--show-dir', tmp_path / 'pictures', '--tta')
    output = run_test(SEGMENTOR, MODELS, data, tmp_path, *arguments)
    assert 'mIoU' in output
    maps = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (tmp_path / 'maps').iterdir()]
    assert [label_map.shape for label_map in maps] == [(64, 64)] * 3
    assert len(list((tmp_path / 'pictures').rglob('*.png'))) == 3
