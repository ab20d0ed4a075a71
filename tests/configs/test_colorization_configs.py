"""Every pretraining by colorization: what it says beside the paper, and two iterations at tiny widths."""

import copy
import json
from functools import cache
from pathlib import Path

import pytest
import torch
from colorization_models import photo_batch
from label_map_files import innermost
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from paper_configs import distinct_models, names_of_the_paper, without_gradient
from photo_files import write_photos
from training_runs import ROOT, shared_folder, train, weights

import labelenc_mm
from labelenc_mm.networks.tapped_vgg import ALL_CONVS

FOLDER = 'colorization'
PAPER = sorted(name for name in names_of_the_paper(FOLDER) if name.startswith('colorize_'))
SMALL = {
    f'voc12/{path.name}' for path in (ROOT / 'configs' / FOLDER / 'voc12').glob('colorize_*.py')
}
NAMES = sorted({*PAPER, *SMALL})
ARTEFACT = 'pretrained_segmentor.pth'
SIDE, NUM_PHOTOS = 64, 4
# Epochs and when the rate drops (sec. 3.1 and 6).
SCHEDULES = {
    '3e': (3, [2]),
    '10e': (10, [5, 7, 9]),
    '35e': (35, [17, 26, 31]),
    '3e-constant': (3, None),
}


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'{FOLDER}/{name}'))


@pytest.mark.parametrize('name', PAPER)
def test_pretraining_is_that_of_the_paper(name):
    config = parsed(name)
    method, batch, data = Path(name).stem.split('_')[1:4]
    schedule = batch.removeprefix('1xb8-').removesuffix('-lr')
    epochs, drops = SCHEDULES[schedule]
    assert config.train_cfg.max_epochs == epochs
    (scheduler,) = config.param_scheduler
    assert scheduler.by_epoch and scheduler.end == epochs
    assert scheduler.get('milestones') == drops
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.momentum) == ('SGD', 1e-3, 0.9)
    assert optimizer.weight_decay == 5e-4
    assert config.optim_wrapper.paramwise_cfg == dict(bias_lr_mult=2.0, bias_decay_mult=0.0)
    assert config.train_dataloader.batch_size == config.auto_scale_lr.base_batch_size == 8
    side = int(data.rpartition('x')[2])
    assert config.model.data_preprocessor.size == (side, side)
    folders = []
    for dataset in innermost(config.train_dataloader.dataset):
        folders.append(dataset.data_root)
        steps = {step.type: step for step in dataset.pipeline}
        shorter = [scale[1] for scale in steps['RandomResize'].scale]
        assert shorter == ([352, 600] if side == 352 else [224, 382])
        assert steps['RandomCrop'].crop_size == (side, side)
        assert steps['RandomFlip'] == dict(type='RandomFlip', prob=0.5)  # sideways by default
        assert steps['LoadPhoto'].reduce_to == shorter[1]  # nothing is enlarged for speed
    assert folders == ['data/imagenet/', 'data/places205/']
    head = config.model.decode_head
    if 'lab' in method:
        assert (head.type, head.loss_weight) == ('ColorRegressionHead', 110)
    else:
        assert head.type == 'ColorHistogramHead'
    backbone = config.model.backbone
    if 'no-hypercolumn' in method:
        assert backbone.taps in (['fc7'], ['layer4.2'])
    elif 'vgg16' in method:
        assert backbone.taps == ['data', *ALL_CONVS, 'fc6', 'fc7']
    else:
        assert backbone.taps == ['data', *(f'conv{i}' for i in range(1, 6)), 'fc6', 'fc7']
    assert backbone.get('in_channels') == 1
    if 'r152' not in method:  # which keeps the scale and shift of its own
        norm_cfg = dict(type='BN', affine=False, momentum=0.001)
        assert backbone.norm_cfg == backbone.fc_norm_cfg == norm_cfg


def test_rows_of_the_tables_are_there():
    stems = {'_'.join(Path(name).stem.split('_')[1:3]) for name in PAPER}
    assert stems == {
        'vgg16-lab_1xb8-3e',  # Table 2
        'vgg16-hist-no-hypercolumn_1xb8-3e',
        'vgg16-hist_1xb8-3e',  # and Table 3
        'alexnet-hist_1xb8-3e',
        'r152-hist-no-hypercolumn_1xb8-3e',
        'vgg16-hist_1xb8-3e-constant-lr',  # sec. 6
        'vgg16-hist_1xb8-10e',  # Table 1
        'alexnet-hist_1xb8-10e',
        'r152-hist-no-hypercolumn_1xb8-35e',
    }


def tiny_model(name):
    model = copy.deepcopy(parsed(name)).model
    model.data_preprocessor.size = (SIDE, SIDE)
    backbone, head = model.backbone, model.decode_head
    if backbone.type == 'TappedVGG':
        backbone.update(base_channels=2, fc_channels=8)
    elif backbone.type == 'TappedAlexNet':
        backbone.update(width_mult=0.0625, fc_channels=8)
    else:
        backbone.backbone.update(depth=18, base_channels=4, stem_channels=4)
        backbone.taps = ['layer4.1']
    head.mlp_channels = [16]
    head.sampler = dict(type='UniformPointSampler', num_points=10, border=8)
    return model


@pytest.mark.parametrize('name', distinct_models({name: parsed(name) for name in NAMES}))
def test_several_processes_find_a_gradient_of_every_parameter(name):
    init_default_scope('mmseg')
    model = MODELS.build(tiny_model(name)).train()
    batch = model.data_preprocessor(photo_batch(), True)
    assert without_gradient(model, model(**batch, mode='loss')) == []


def tiny(name):
    """The config for tiny data and two iterations, as a file."""
    config = copy.deepcopy(parsed(name))
    config.model = tiny_model(name)
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        for dataset in innermost(loader.dataset):
            root = shared_folder() / 'photos of colorization' / dataset.data_root.strip('/')
            # Two folders have as many photos each as one.
            number = NUM_PHOTOS // len(innermost(loader.dataset))
            names = write_photos(root, NUM_PHOTOS, (72, 96))[:number]
            (root / dataset.ann_file).write_text('\n'.join(names))
            dataset.data_root = f'{root}/'
            for step in dataset.pipeline:
                if 'reduce_to' in step:
                    step.reduce_to = SIDE
                if 'crop_size' in step:
                    step.crop_size = (SIDE, SIDE)
                if step.type == 'RandomResize':
                    step.scale = [(1000, SIDE), (1000, 80)]
                if step.type == 'Resize':
                    step.scale = (SIDE, SIDE)
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.default_hooks.logger.interval = 1
    path = shared_folder() / 'configs' / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


QUICK = {name for name in NAMES if 'alexnet' in name or 'lab' in name or name in SMALL}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES]
)
def test_config_trains(name):
    run = train(tiny(name), shared_folder() / 'runs' / FOLDER / name)
    assert sum('loss_color' in entry for entry in run.scalars()) == 2
    (metrics,) = [entry for entry in run.scalars() if 'color/psnr' in entry]
    kind = 'color/ab_mse' if 'lab' in name else 'color/hue_kl'
    assert metrics[f'{kind}_constant'] > 0 and metrics[kind] > 0
    file = run.work_dir / ARTEFACT
    metadata = json.loads(file.with_suffix('.json').read_text())
    assert (metadata['method'], metadata['photos']) == ('colorization', NUM_PHOTOS)
    assert metadata['channels'] == 1
    left = weights(file)
    trained = weights(run.work_dir / 'epoch_1.pth')
    assert left.keys() == {key for key in trained if key.startswith('backbone.')}
    assert all(torch.equal(value, trained[key]) for key, value in left.items())
    assert list(run.work_dir.glob('*/vis_data/vis_image/val_colorization_0_*.png'))
