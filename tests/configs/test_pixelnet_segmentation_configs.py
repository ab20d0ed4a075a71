"""PixelNet's configs for segmentation: what they say of the paper's numbers, and two iterations of each.

Only what no test can have is exchanged: images and label maps (a few of noise, where the config looks for
them), widths, addresses of weights, and the length of the training.
"""

import copy
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from label_map_files import innermost, write_label_maps
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.datasets import PascalVOCDataset
from mmseg.registry import MODELS
from paper_configs import distinct_models, names_of_the_paper, without_gradient
from PIL import Image
from segmentation_models import random_maps, samples
from segmentation_training import last_metrics
from training_runs import ROOT, TEST, run_script, shared_folder, train, weights, with_prefix

import labelenc_mm
from labelenc_mm.recipes import make_plan, read_recipe
from labelenc_mm.recipes.run import _parse_options

FOLDER = 'pixelnet'
SMALL = {f'voc12/{path.name}' for path in (ROOT / 'configs' / FOLDER / 'voc12').glob('*.py')}
PAPER = sorted(n for n in names_of_the_paper(FOLDER) if 'pascal-context' in n or 'voc12' in n)
NAMES = sorted({*PAPER, *SMALL})
TABLES = [f'{n}.yml' for n in ('table1', 'table2', 'table3', 'voc12', 'voc12/evidence')]
BASELINE = 'pixelnet_vgg16_1xb5-96e_pascal-context-59.py'
FILES = 'pixelnet_vgg16-conv7_1xb5-24e_voc12-test-multiscale.py'


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'{FOLDER}/{name}'))


@pytest.mark.parametrize('part', ['train', 'val'])
@pytest.mark.parametrize('name', PAPER)
def test_label_maps_of_another_size_are_refused(name, part):
    for dataset in innermost(parsed(name)[f'{part}_dataloader'].dataset):
        steps = [step.type for step in dataset.pipeline]
        assert steps[steps.index('LoadAnnotations') + 1] == 'CheckLabelMapSize'


def shrunk(model):
    """The same layers, as narrow as they may be."""
    model = copy.deepcopy(model)
    head, backbone = model.decode_head, model.backbone
    head.mlp_channels = [6] * len(head.get('mlp_channels', ()))
    if head.get('num_points'):
        head.num_points = min(head.num_points, 50)
    backbone.init_cfg = None
    if backbone.type == 'TappedVGG':
        backbone.update(base_channels=2, fc_channels=8)
    return model


def build(name):
    init_default_scope('mmseg')
    model = MODELS.build(shrunk(parsed(name).model))
    model.init_weights()
    return model


def tiny(config, path):
    """The config for tiny data and two iterations, as a file."""
    config = copy.deepcopy(config)
    assert re.match(
        r'https://download.pytorch.org/models/vgg16-|package://efficientnet-lite0-',
        config.model.backbone.init_cfg.checkpoint,
    )
    config.model = shrunk(config.model)
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        for dataset in innermost(loader.dataset):
            write_label_maps(dataset, shared_folder() / 'data of PixelNet')
    by_epoch = config.train_cfg.type == 'EpochBasedTrainLoop'
    if by_epoch:  # four images, or eight: one epoch is two iterations
        loader = config.train_dataloader
        loader.batch_size = 2 * len(innermost(loader.dataset))
    config.train_cfg.update({'max_epochs' if by_epoch else 'max_iters': 1 if by_epoch else 2})
    config.train_cfg.val_interval = config.train_cfg.get('max_epochs', 2)
    config.param_scheduler[-1].milestones = [1]
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.interval = config.train_cfg.val_interval
    if config.get('load_from'):
        config.load_from = str(finished(snapshot_of(config)).work_dir / 'epoch_1.pth')
    if config.test_evaluator.type == 'PaletteIoUMetric':
        config.test_evaluator.output_dir = str(path.with_suffix('') / 'files')
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


def snapshot_of(config):
    """The config whose snapshot a training starts from."""
    return f'{Path(config.load_from).parent.name}.py'


@cache
def finished(name):
    path = tiny(parsed(name), shared_folder() / 'configs of PixelNet' / name)
    return train(path, shared_folder() / 'runs of PixelNet' / name)


QUICK = {
    BASELINE,
    'pixelnet_vgg16-conv7_1xb5-24e_pascal-context-33-multiscale.py',
    FILES,
    'voc12/pixelnet-fc1-bn_efficientnet-lite0_1xb5-800_voc12-96x96.py',
}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES]
)
def test_config_trains(name):
    run = finished(name)
    losses = [entry['loss'] for entry in run.scalars() if 'loss' in entry]
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert {'mIoU', 'mAcc'} <= last_metrics(run).keys()
    if load_from := parsed(name).get('load_from'):
        assert Path(load_from).name == 'epoch_80.pth' and 'Load checkpoint from' in run.output


def test_files_for_the_test_server_have_voc_s_colours(tmp_path):
    config = tiny(parsed(FILES), tmp_path / 'config.py')
    checkpoint = finished(FILES).work_dir / 'epoch_1.pth'
    run_script(TEST, config, checkpoint, '--tta', '--work-dir', tmp_path, work_dir=tmp_path)
    files = sorted((tmp_path / 'config' / 'files').iterdir())
    assert len(files) == 4
    for path in files:
        with Image.open(path) as image:
            assert image.size == (108, 72) and image.mode == 'P'
            assert np.array(image).max() < 21
            palette = np.array(image.getpalette()).reshape(-1, 3)[:21]
            assert palette.tolist() == PascalVOCDataset.METAINFO['palette']


def scales(pipeline):
    """The shares of an image's size that a training sees."""
    (step,) = [s for s in pipeline if s.type in ('RandomChoice', 'Resize')] or [None]
    if step is None:
        return (1.0,)
    steps = [step] if step.type == 'Resize' else [s for (s,) in step.transforms]
    assert all(s.keep_ratio for s in steps)
    return tuple(s.scale_factor for s in steps)


@pytest.mark.parametrize('name', PAPER)
def test_network_and_data_are_those_of_the_name(name):
    config = parsed(name)
    head, dataset = config.model.decode_head, config.train_dataloader.dataset
    hidden = {'fc1': 0, 'fc1-bn': 0, 'fc2': 1}.get(name.split('_')[0].partition('-')[2], 2)
    assert tuple(head.mlp_channels) == (4096,) * hidden and head.num_points == 2000
    assert ('fc7' in config.model.backbone.taps) == ('conv7' in name)
    assert config.train_dataloader.batch_size == 5
    stem = Path(name).stem.split('_')[-1]
    classes = {'33': 33, '59': 59}.get(stem.removeprefix('pascal-context-')[:2], 21)
    assert head.num_classes == classes
    for part in ('train', 'val', 'test'):
        for each in innermost(config[f'{part}_dataloader'].dataset):
            assert each.type == (
                'PascalVOCDataset' if classes == 21 else f'PascalContextDataset{classes}'
            )
    expected = {'half': (0.5,), 'full': (1.0,), 'multiscale': (0.25, 0.5, 1.0)}
    for each in innermost(dataset):
        assert scales(each.pipeline) == expected.get(stem.split('-')[-1], (0.25, 0.5))
        assert 'RandomFlip' in [step.type for step in each.pipeline]
    # No image is too small for a tap, and none is cut by one.
    preprocessor = config.model.data_preprocessor
    assert preprocessor.size_divisor == preprocessor.test_cfg.size_divisor == 32


@pytest.mark.parametrize('name', PAPER)
def test_schedules_of_the_paper(name):
    """Sec. 4: SGD, 80 + 8 + 8 epochs; from the snapshot before the first drop 8 + 8 + 8."""
    config = parsed(name)
    optimizer = config.optim_wrapper.optimizer
    rate = 1e-7 if 'fc1_' in name else 1e-3
    assert optimizer == dict(type='SGD', lr=rate, momentum=0.9, weight_decay=5e-4)
    (schedule,) = config.param_scheduler
    found = (schedule.milestones, schedule.gamma, config.train_cfg.max_epochs)
    checkpoints = config.default_hooks.checkpoint
    if '24e' in name:
        assert found == ([8, 16], 0.1, 24)
        start = parsed(snapshot_of(config))
        assert Path(config.load_from).name == f'epoch_{start.param_scheduler[0].milestones[0]}.pth'
        assert start.model.decode_head == config.model.decode_head
        assert start.model.backbone == config.model.backbone
    else:
        assert found == ([80, 88], 0.1, 96)
        kept = range(96, 0, -checkpoints.interval)[: checkpoints.max_keep_ckpts]
        assert 80 in kept


@pytest.mark.parametrize('name', PAPER)
def test_every_parameter_has_the_rate_of_the_authors_network(name):
    config, model = parsed(name), build(name)
    wrapper = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper))
    names = {id(parameter): key for key, parameter in model.named_parameters()}
    base = config.optim_wrapper.optimizer.lr
    for group in wrapper.optimizer.param_groups:
        for parameter in group['params']:
            key = names.pop(id(parameter))
            factor = 10 if key.startswith('decode_head') and 'context' in name else 1
            is_bias = key.endswith('bias')
            expected = (base * factor * (2 if is_bias else 1), 0 if is_bias else 5e-4)
            assert (group['lr'], group['weight_decay']) == pytest.approx(expected), key
    assert not names


def test_head_starts_as_published():
    """Gaussian of 1e-3, biases 0 (sec. 4)."""
    head = build(BASELINE).decode_head
    weights_ = torch.cat([p.flatten() for k, p in head.named_parameters() if 'weight' in k])
    assert weights_.std().item() == pytest.approx(1e-3, rel=0.1) and abs(weights_.mean()) < 2e-4
    assert all((p == 0).all() for k, p in head.named_parameters() if k.endswith('bias'))
    context, voc = (parsed(n).model.decode_head for n in (BASELINE, FILES))
    assert (context.hypercolumn_dropout, voc.hypercolumn_dropout) == (0.5, 0)


@pytest.mark.parametrize('name', distinct_models({n: parsed(n) for n in NAMES}))
def test_several_processes_find_a_gradient_of_every_parameter(name):
    model = build(name).train()
    num_classes = parsed(name).model.decode_head.num_classes
    data = samples(random_maps(2, num_classes=num_classes, size=(64, 64)))
    assert without_gradient(model, model(torch.rand(2, 3, 64, 64), data, mode='loss')) == []


@pytest.mark.parametrize('recipe', TABLES)
def test_rows_of_recipes_build_and_learn(recipe):
    """With the options that a row adds to its config."""
    path = ROOT / 'configs' / FOLDER / recipe
    runs = make_plan(read_recipe(path, seeds=[0]), Path('/w'), ROOT / 'tools').runs
    init_default_scope('mmseg')
    for run in runs.values():
        if run.stage.kind != 'train':
            continue
        config = Config.fromfile(run.config_path())
        config.merge_from_dict(_parse_options(run.option_strings()))
        model = MODELS.build(shrunk(config.model)).train()
        size = (96, 96)
        data = samples(random_maps(2, num_classes=model.num_classes, size=size))
        loss, _ = model.parse_losses(model(torch.rand(2, 3, *size), data, mode='loss'))
        loss.backward()
        assert torch.isfinite(loss), run.name


def test_rows_of_table_2_are_the_papers():
    path = ROOT / 'configs' / FOLDER / 'table2.yml'
    runs = make_plan(read_recipe(path), Path('/w'), ROOT / 'tools').runs.values()
    found = [(r.values['points'], r.values['images']) for r in runs]
    expected = [(2000, 5), (500, 5), (1000, 5), (4000, 5), (2000, 1), (10000, 1)]
    assert found == expected


def test_rows_of_the_evidence_draw_as_many_points_a_step():
    path = ROOT / 'configs' / FOLDER / 'voc12/evidence.yml'
    runs = make_plan(read_recipe(path, seeds=[0]), Path('/w'), ROOT / 'tools').runs.values()
    products = {}
    for run in runs:
        if run.stage.kind != 'train':
            continue
        config = Config.fromfile(run.config_path())
        config.merge_from_dict(_parse_options(run.option_strings()))
        points = config.model.decode_head.num_points
        if points:
            products[run.stage.name.removesuffix('_trial')] = (
                points * config.train_dataloader.batch_size
            )
    assert set(products.values()) == {2000} and len(products) == 6


def test_a_larger_scale_goes_on_from_the_weights_of_the_snapshot():
    name = 'pixelnet_vgg16-conv7_1xb5-24e_pascal-context-33-multiscale.py'
    path = tiny(parsed(name), shared_folder() / 'configs of PixelNet' / f'resting_{name}')
    run = train(path, shared_folder() / 'runs of PixelNet' / f'resting_{name}',
                'optim_wrapper.optimizer.lr=0', 'optim_wrapper.optimizer.weight_decay=0')  # fmt: skip
    start = finished(snapshot_of(parsed(name))).work_dir / 'epoch_1.pth'
    states = [with_prefix(weights(p), '') for p in (start, run.work_dir / 'epoch_1.pth')]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
