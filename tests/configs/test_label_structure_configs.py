"""Every config of label structure, and every combination of its recipes, parsed, built and trained.

Only what no test can have is exchanged: images and label maps (a few of noise, in the folders and under
the names that the config's own data set looks for), sizes and widths, addresses of weights, and the
length of the training. What a config starts from is what the tiny training of another one leaves.
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
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from paper_configs import distinct_models, names_of_the_paper, without_gradient
from segmentation_models import random_maps, samples
from segmentation_training import AUTOENCODER, EXPORTED, last_metrics
from training_runs import ROOT, shared_folder, train, weights

import labelenc_mm
from labelenc_mm.command_line.companions import add_companions
from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.networks.tapped_densenet import ARCHITECTURES
from labelenc_mm.recipes import make_plan, read_recipe
from labelenc_mm.recipes.run import _parse_options
from labelenc_mm.segmentation.label_structure.export import stock_config

FOLDER = 'label_structure'
# The demonstration's name files of their recipe's runs, which trains them.
SMALL = {f'voc12/{path.name}' for path in (ROOT / 'configs' / FOLDER / 'voc12').glob('*.py')}
NAMES = sorted(names_of_the_paper(FOLDER) | SMALL)
BY_STEM = {Path(name).stem: name for name in NAMES}
AUTOENCODERS = [name for name in NAMES if name.startswith('label-autoencoder')]
SUPERVISED = [name for name in NAMES if 'label-decoder' in name]
PSPNETS = [name for name in SUPERVISED if name.startswith('pspnet')]
SIDE = 64


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'{FOLDER}/{name}'))


@cache
def plan(recipe):
    """All runs of a recipe, by name."""
    path = ROOT / 'configs' / FOLDER / f'{recipe}.yml'
    return make_plan(read_recipe(path), shared_folder() / recipe, ROOT / 'tools').runs


def config_of(source):
    """A config by its name, or that of a recipe's run with the recipe's options."""
    if source in NAMES:
        return copy.deepcopy(parsed(source))
    recipe, _, name = source.partition('/')
    run = plan(recipe)[name]
    config = copy.deepcopy(parsed(run.config_path().name))
    config.merge_from_dict(_parse_options(run.option_strings(shared_folder())))
    return config


def heads_of(config):
    heads = config.model.get('label_structure')
    return [] if heads is None else [heads] if isinstance(heads, dict) else heads


def source_of(init_from, source):
    """What has to run for a file to be there: a config, or a run of the same recipe."""
    stem = Path(init_from).parent.name
    return BY_STEM.get(stem) or f'{source.partition("/")[0]}/{stem}'


def shrink_pipeline(steps):
    for step in steps:
        if step.type == 'RandomCrop':
            step.crop_size = (SIDE, SIDE)
        elif step.type == 'Pad':
            step.size = (SIDE, SIDE)
        elif 'scale' in step:
            step.scale = (2 * SIDE, SIDE) if step.get('keep_ratio') else (SIDE, SIDE)


def shrink_model(model):
    """The same kinds of layers, as few and as narrow as they may be."""
    if model.type == 'LabelAutoEncoder':
        return
    model.data_preprocessor.size = (SIDE, SIDE)
    backbone, head = model.backbone, model.decode_head
    if backbone.type == 'ResNetV1c':
        model.pretrained = None
        backbone.update(depth=18, base_channels=8, stem_channels=8)
        head.update(in_channels=64, channels=16)
        model.auxiliary_head.update(in_channels=32, channels=8)
        return
    if backbone.type == 'TappedVGG':
        backbone.update(base_channels=4, fc_channels=32)
    elif backbone.type == 'TappedDenseNet':
        arch = ARCHITECTURES[backbone.arch]
        transitions = list(arch.transitions)
        backbone.arch = dict(
            vars(arch), depths=[1, 1, 1, 1], growth_rate=8, stem_channels=8, transitions=transitions
        )


def is_by_epoch(config):
    return config.train_cfg.type == 'EpochBasedTrainLoop'


def tiny(source):
    """The config for tiny data, two epochs or iterations, as a file."""
    config = config_of(source)
    shrink_model(config.model)
    # The Runner gives it to a model without one, as the autoencoders of stock configs are.
    if 'data_preprocessor' in config:
        config.data_preprocessor.size = (SIDE, SIDE)
    for head in heads_of(config):
        if head.get('init_from'):
            head.init_from = str(finished(source_of(head.init_from, source)).work_dir / AUTOENCODER)
    backbone = config.model.get('backbone', {})
    start = backbone.get('init_cfg')
    if start and start.checkpoint.startswith('work_dirs/'):
        other = source_of(start.checkpoint, source)
        assert Path(start.checkpoint).name == f'epoch_{config_of(other).train_cfg.max_epochs}.pth'
        start.checkpoint = str(finished(other).work_dir / 'epoch_2.pth')
    elif start:
        assert start.checkpoint.startswith(
            ('https://download.pytorch.org/models/', 'package://efficientnet-lite0-')
        )
        backbone.init_cfg = None
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        for dataset in innermost(loader.dataset):
            write_label_maps(dataset, shared_folder() / 'data of label structure')
            shrink_pipeline(dataset.pipeline)
    config.train_cfg.update(
        {'max_epochs' if is_by_epoch(config) else 'max_iters': 2}, val_interval=2
    )
    if is_by_epoch(config):
        config.param_scheduler[-1].milestones = [1]
    for hook in config.get('custom_hooks', []):
        hook.end = 1  # of the first phase
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.update(interval=2, save_optimizer=False)
    path = shared_folder() / 'configs' / f'{source}.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


@cache
def finished(source):
    """The tiny training of a config or of a recipe's run, run once."""
    return train(tiny(source), shared_folder() / 'runs' / source)


def check_training(source):
    config, run = config_of(source), finished(source)
    heads = heads_of(config)
    first = next(entry for entry in run.scalars() if 'loss' in entry)
    ours = {key for key in first if key.startswith('label_structure.')}
    if not heads:
        assert not ours
    elif heads[0].get('type') == 'FrozenLabelEncoderHead':
        assert ours == {'label_structure.loss_mse'}
    else:
        is_mse = heads[0].get('loss_decode', {}).get('type') == 'OneHotMSELoss'
        loss = 'loss_mse' if is_mse else 'loss_ce'
        assert ours == {f'label_structure.{loss}', 'label_structure.acc_seg'}
    assert 'mIoU' in last_metrics(run)
    is_autoencoder = config.model.type == 'LabelAutoEncoder'
    assert (run.work_dir / AUTOENCODER).exists() == is_autoencoder
    assert (run.work_dir / EXPORTED).exists() == bool(heads)
    if is_autoencoder:
        assert 'no image is decoded' in run.output
        _, metadata = load_tensors(run.work_dir / AUTOENCODER)
        expected = config.model.get('channels', [32, 128, 128, 128, 128])
        assert metadata['channels'] == list(expected)
    if 'coco-pre' in source:
        assert 'load backbone. in model from' in run.output
    return run


# One of each kind; all of them take many minutes.
QUICK = SMALL | {
    'label-autoencoder-128_4xb4-80k_ade20k-512x512.py',
    'fcn_vgg16_label-decoder-128_1xb12-100e_voc12-rrc-256x256.py',
    'hypercolumn_densenet67_label-decoder-128_1xb12-100e_voc12-256x256.py',
    'pspnet_r50-d8_label-decoder-128_4xb2-40k_cityscapes-512x1024.py',
}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES]
)
def test_config_trains(name):
    check_training(name)


TABLE = sorted(plan('table1'))
REGULARISERS = ('none', 'encoder', 'decoder32_mse', 'decoder32', 'decoder128', 'decoder256')


def is_sample(name):
    """The regularisers that are no config of their own, each on another net and data."""
    nets = ('hypercolumn_vgg16', 'hypercolumn_densenet67', 'fcn_vgg16')
    values = plan('table1')[name].values
    stage = plan('table1')[name].stage.name
    if stage not in ('encoder', 'decoder32_mse'):
        return False
    index = REGULARISERS.index(stage)
    data = ('voc12-rrc-256x256', 'voc12-256x256')[index % 2]
    images = ('train', 'trainaug')[index // 2 % 2]
    return (values['net'], values['data'], values['images']) == (nets[index % 3], data, images)


@pytest.mark.parametrize(
    'name',
    [pytest.param(n, marks=() if is_sample(n) else pytest.mark.slow) for n in TABLE],
)
def test_combination_of_table_1_trains(name):
    check_training(f'table1/{name}')


def test_table_1_has_every_combination():
    runs = plan('table1').values()
    found = [
        (run.stage.name, *(run.values[name] for name in ('net', 'data', 'images')))
        for run in runs
        if 'net' in run.values
    ]
    assert len(found) == len(set(found)) == 3 * 6 * 2 * 2
    assert {stage for stage, *_ in found} == set(REGULARISERS)
    assert len(runs) - len(found) == 3 * 2 * 2  # autoencoders serve all nets


@pytest.mark.parametrize('name', TABLE)
def test_combination_of_table_1_is_what_its_name_says(name):
    run, config = plan('table1')[name], config_of(f'table1/{name}')
    dataset = config.train_dataloader.dataset
    steps = [step.type for step in dataset.pipeline]
    assert ('JointRandomResizedCrop' in steps) == ('rrc' in run.values['data'])
    assert ('RandomFlip' in steps) == ('rrc' in run.values['data'])
    assert Path(dataset.ann_file).stem == run.values['images']
    if 'net' not in run.values:
        assert config.model.type == 'LabelAutoEncoder'
        width = re.sub(r'\D', '', run.stage.name)
        assert config.model.get('channels', [128])[-1] == int(width)
        return
    decode_head, backbone = config.model.decode_head.type, config.model.backbone
    assert decode_head == ('FCNSkipHead' if 'fcn' in name else 'HypercolumnHead')
    assert backbone.type == ('TappedDenseNet' if 'densenet' in name else 'TappedVGG')
    assert backbone.get('arch', 67) == 67
    heads = heads_of(config)
    assert bool(heads) == (run.stage.name != 'none')
    for head in heads:
        other = config_of(source_of(head.init_from, 'table1/'))
        assert other.train_dataloader == config.train_dataloader, 'the same labels in both phases'
        assert head.get('channels', [128])[-1] == other.model.get('channels', [128])[-1]


@pytest.mark.parametrize('name', SUPERVISED)
def test_autoencoder_has_the_labels_of_the_segmentor(name):
    (head,) = heads_of(parsed(name))
    if head.get('random_init'):
        assert head.init_from is None
        return
    autoencoder, segmentor = parsed(source_of(head.init_from, name)), parsed(name)
    for part in ('train', 'val', 'test'):
        key = f'{part}_dataloader'
        assert autoencoder[key] == segmentor[key]
    assert autoencoder.model.get('channels', [128])[-1] == head.get('channels', [128])[-1]


def finds_unused_parameters(config):
    config = copy.deepcopy(config)
    config.launcher = 'pytorch'
    add_companions(config)
    return config.get('model_wrapper_cfg', {}).get('find_unused_parameters', False)


@pytest.mark.parametrize(
    'name', distinct_models({n: parsed(n) for n in NAMES if not finds_unused_parameters(parsed(n))})
)
def test_several_processes_find_a_gradient_of_every_parameter(name):
    config = config_of(name)
    init_default_scope('mmseg')
    shrink_model(config.model)
    for head in heads_of(config):
        head.update(init_from=None, random_init=True)
    model = MODELS.build(config.model).train()
    data = samples(random_maps(2, size=(SIDE, SIDE)))
    losses = model(torch.rand(2, 3, SIDE, SIDE), data, mode='loss')
    assert without_gradient(model, losses) == []


def counterpart(name):
    """The same segmentor without label structure: of this folder, or of MMSegmentation."""
    stem = re.sub(r'_label-decoder-[^_]*', '', Path(name).stem)
    if stem in BY_STEM:
        return copy.deepcopy(parsed(BY_STEM[stem]))
    return Config.fromstring(f"_base_ = 'mmseg::pspnet/{stem}.py'", '.py')


def plain(config):
    """As nested built-in types, without mmengine's notes on where a part comes from."""
    if isinstance(config, dict):
        return {key: plain(value) for key, value in config.items() if key != '_scope_'}
    return [plain(value) for value in config] if isinstance(config, (list, tuple)) else config


@pytest.mark.parametrize('name', SUPERVISED)
def test_nothing_but_label_structure_differs_from_the_baseline(name):
    ours, baseline = config_of(name), counterpart(name)
    if name in PSPNETS:  # a stock config: exactly it, after ours is taken away
        assert plain(stock_config(ours).to_dict()) == plain(baseline.to_dict())
    assert ours.model.pop('label_structure')
    ours.model.type = ours.model.type.removeprefix('LabelStructure')
    if name in PSPNETS:
        ours.default_hooks.pop('reseed')
        assert ours.pop('custom_imports').imports == ['labelenc_mm']
    assert plain(ours.to_dict()) == plain(baseline.to_dict())


@pytest.mark.parametrize('name', [n for n in AUTOENCODERS if '256x256' not in n])
def test_autoencoder_of_a_stock_config_changes_model_and_optimizer_alone(name):
    ours = parsed(name)
    stem = Path(name).stem.removeprefix('label-autoencoder-128_')
    (segmentor,) = (n for n in PSPNETS if Path(n).stem.endswith(stem))
    stock = counterpart(segmentor)
    changed = {'model', 'optim_wrapper', 'param_scheduler', 'default_hooks'}
    added = {'custom_imports'}
    assert {key for key in stock if plain(stock[key]) != plain(ours[key])} == changed
    assert set(ours) - set(stock) == added
    assert ours.model.num_classes == stock.model.decode_head.num_classes
    # The paper's 80 and 20 epochs as shares of the stock training.
    assert ours.param_scheduler[0].milestones == [stock.train_cfg.max_iters * 0.8]


SCRATCH = [n for n in NAMES if '1xb12-100e' in n]
PRETRAINED = [n for n in NAMES if '1xb12-50e' in n]


@pytest.mark.parametrize('name', SCRATCH + PRETRAINED)
def test_schedules_of_the_paper(name):
    """Sec. 4.1: Adam, batches of 12 (from scratch; of pretrained networks inferred), 256x256."""
    config = parsed(name)
    assert config.train_dataloader.batch_size == 12
    assert config.optim_wrapper == dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
    (schedule,) = config.param_scheduler
    epochs = (schedule.milestones, config.train_cfg.max_epochs)
    assert epochs == (([80], 100) if name in SCRATCH else ([10], 50))
    assert schedule.gamma == 0.1
    sizes = {step.scale for step in config.train_dataloader.dataset.pipeline if 'scale' in step}
    assert sizes == {(256, 256)}
    if name in PRETRAINED:
        (hook,) = config.custom_hooks
        assert hook == dict(type='FrozenPhaseHook', modules=['backbone'], end=10)
        assert finds_unused_parameters(config)
        assert config.model.decode_head.tap_norm_cfg.affine is False
        assert config.model.backbone.init_cfg.type == 'Pretrained'


@pytest.mark.slow
def test_finetuning_starts_from_what_pretraining_on_coco_left():
    pretrained = finished(BY_STEM['hypercolumn_densenet67_1xb12-20e_coco-stuff164k-rrc-256x256'])
    name = BY_STEM['hypercolumn_densenet67-coco-pre_1xb12-50e_voc12-rrc-256x256']
    run = finished(name)
    assert 'does not fit' not in run.output
    left = weights(pretrained.work_dir / 'epoch_2.pth')
    end = weights(run.work_dir / 'epoch_2.pth')
    convolutions = [k for k, v in left.items() if k.startswith('backbone.') and v.dim() == 4]
    # One epoch of two iterations at 1e-5 moves no weight further than that from where it began.
    assert convolutions
    assert all((left[k] - end[k]).abs().max() < 1e-3 for k in convolutions)


def test_figure_5_sweeps_the_weight():
    runs = plan('figure5').values()
    found = {'mse': set(), 'cross_entropy': set()}
    for run in runs:
        if run.stage.name == 'autoencoder':
            continue
        config = config_of(f'figure5/{run.name}')
        (head,) = heads_of(config)
        variable, kind = {
            'mse': ('mse_weight', 'OneHotMSELoss'),
            'cross_entropy': ('ce_weight', 'CrossEntropyLoss'),
        }[run.stage.name]
        assert head.loss_decode.type == kind
        assert head.loss_decode.loss_weight == run.values[variable]
        assert head.channels == [32] * 5
        assert 'rrc' not in run.config_path().name
        found[run.stage.name].add((run.values['net'], run.values[variable]))
    assert len(found['mse']) + len(found['cross_entropy']) == len(runs) - 1
    weights_tried = {weight for _, weight in found['cross_entropy']}
    assert {0, 0.5, 6} <= weights_tried <= set(np.linspace(0, 6, 25))


@pytest.mark.slow
@pytest.mark.parametrize('stage', ['mse', 'cross_entropy'])
def test_run_of_figure_5_trains(stage):
    name = next(
        run.name
        for run in plan('figure5').values()
        if run.stage.name == stage and 0.5 in run.values.values()
    )
    check_training(f'figure5/{name}')
