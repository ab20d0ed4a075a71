"""Whole trainings of a pretrained hypercolumn network: two phases, two processes, resumed, no labels."""

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import differing, train, weights, with_prefix

from labelenc_mm.networks import TappedVGG

pytest.importorskip('mmseg')

CONFIG = """
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.5] * 3, std=[64.0] * 3, bgr_to_rgb=True, size=(33, 40), pad_val=0, seg_pad_val=255,
    ),
    backbone=dict(
        type='TappedVGG', base_channels=2, taps=('conv1_2', 'conv3_3', 'conv5_3'),
        init_cfg=dict(type='Pretrained', checkpoint='{root}/vgg16.pth'),
    ),
    decode_head=dict(
        type='HypercolumnHead', in_channels=(2, 8, 16), strides=(1, 4, 16), num_classes=3,
        tap_norm_cfg=dict(type='BN', affine=False), num_points=100,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
dataset = dict(
    type='BaseSegDataset', data_root='{root}', img_suffix='.png',
    data_prefix=dict(img_path='images', seg_map_path='maps'),
    metainfo=dict(classes=('a', 'b', 'c'), palette=[[0, 0, 0], [0, 99, 0], [99, 0, 0]]),
)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(dataset, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')
    ]),
)
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(dataset, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')
    ]),
)
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=3)
val_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.1)
)
param_scheduler = [dict(type='MultiStepLR', milestones=[1], gamma=0.1)]
custom_hooks = [dict(type='FrozenPhaseHook', modules=['backbone'], end=1)]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1),
    reseed=dict(type='ReseedHook'),
)
env_cfg = dict(dist_cfg=dict(timeout=60))
log_processor = dict(by_epoch=True)
randomness = dict(seed=0)
"""


@pytest.fixture
def config(tmp_path):
    generator = np.random.default_rng(0)
    for folder in ('images', 'maps'):
        (tmp_path / folder).mkdir()
    for index in range(8):
        labels = generator.integers(0, 3, (33, 40), dtype=np.uint8)
        labels[:4] = 255
        if index == 0:
            labels[:] = 255  # nothing to learn from, on whichever rank it comes
        image = generator.integers(0, 255, (33, 40, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / 'images' / f'{index}.png')
        Image.fromarray(labels).save(tmp_path / 'maps' / f'{index}.png')
    backbone = TappedVGG(base_channels=2)
    backbone.init_weights()
    # torchvision's numbers of vgg16's convolutions
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    state = {
        f'features.{number}.{kind}': getattr(conv.conv, kind).detach()
        for number, conv in zip(numbers, [c for n, c in backbone.named_children() if 'conv' in n])
        for kind in ('weight', 'bias')
    }
    torch.save(state, tmp_path / 'vgg16.pth')
    torch.save(backbone.state_dict(), tmp_path / 'start.pth')
    path = tmp_path / 'config.py'
    path.write_text(CONFIG.format(root=tmp_path))
    return path


def backbone_of(path):
    return with_prefix(weights(path), 'backbone.')


def test_two_phases_from_torchvisions_weights_on_two_processes_and_resumed(config, tmp_path):
    run = train(config, tmp_path / 'run', processes=2)
    start = weights(tmp_path / 'start.pth')
    assert differing(start, backbone_of(run.work_dir / 'epoch_1.pth')) == []
    assert set(differing(start, backbone_of(run.work_dir / 'epoch_2.pth'))) == set(start)
    heads = [with_prefix(weights(run.work_dir / f'epoch_{e}.pth'), 'decode_head.') for e in (1, 2)]
    assert len(differing(*heads)) == len(heads[0])
    assert [entry['mIoU'] for entry in run.scalars() if 'mIoU' in entry]
    # Interrupted within the phase and resumed, the run ends as it did.
    resumed = tmp_path / 'resumed'
    resumed.mkdir()
    (resumed / 'epoch_1.pth').write_bytes((run.work_dir / 'epoch_1.pth').read_bytes())
    (resumed / 'last_checkpoint').write_text(str(resumed / 'epoch_1.pth'))
    train(config, resumed, resume=True, processes=2)
    final = [weights(folder / 'epoch_3.pth') for folder in (run.work_dir, resumed)]
    assert differing(*final) == []


def test_a_process_without_any_labelled_pixel_goes_on_with_the_others(config, tmp_path):
    """One image a process, of which one is all void; an MLP at points, and a linear classifier."""
    options = [
        'train_dataloader.batch_size=1',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
    ]
    head = 'model.decode_head.'
    for name, more in (
        ('mlp', [f'{head}mlp_channels=[6]', f'{head}tap_norm_cfg.type=BN']),
        ('balanced', [f'{head}sampler.type=BalancedPointSampler', f'{head}sampler.num_points=50',
                      f'{head}num_points=None']),
    ):  # fmt: skip
        run = train(config, tmp_path / name, *options, *more, processes=2)
        final = weights(run.work_dir / 'epoch_1.pth')
        assert all(torch.isfinite(each).all() for each in final.values())
        losses = [entry['loss'] for entry in run.scalars() if 'loss' in entry]
        assert len(losses) == 4 and np.isfinite(losses).all() and run.statuses == [0, 0]
