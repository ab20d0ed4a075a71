"""Every config of PixelNet for edges: rows of Tables 6 and 7 by name, rates, initial values, two iterations.

Only what no test can have is exchanged: images and annotations (a few generated ones), widths, addresses of
weights, and the length of the training.
"""

import copy
from functools import cache

import pytest
import torch
from edge_files import write_edge_data
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from training_runs import ROOT, differing, shared_folder, train, weights

import labelenc_mm

FOLDER = ROOT / 'configs' / 'pixelnet'
PAPER = sorted(path.name for path in FOLDER.glob('*_bsds500*.py'))
SMALL = sorted(f'bsds500/{path.name}' for path in (FOLDER / 'bsds500').glob('*.py'))
NAMES = [*PAPER, *SMALL]
TAPS = ['conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3']


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'pixelnet/{name}'))


def pipeline(config):
    return {step.type: step for step in config.train_dataloader.dataset.dataset.pipeline}


# Tables 6 and 7: taps beside conv1 to conv5, share of positives, scales.
ROWS = {
    ('vgg16', 'uniform', (0.5, 1.0)),
    ('vgg16', 0.25, (0.5, 1.0)),
    ('vgg16', 0.5, (0.5, 1.0)),
    ('vgg16', 0.75, (0.5, 1.0)),
    ('vgg16-fc7', 0.25, (0.5, 1.0)),
    ('vgg16-fc7', 0.5, (0.5, 1.0)),
    ('vgg16-fc7', 0.25, (1.0,)),
    ('vgg16-fc7', 0.5, (1.0,)),
}


def row(name):
    """What a config trains, in the words of the tables."""
    config = parsed(name)
    sampler, taps = config.model.decode_head.sampler, list(config.model.backbone.taps)
    assert sampler.num_points == 2000
    assert taps in (TAPS, [*TAPS, 'fc7'])
    return (
        'vgg16-fc7' if 'fc7' in taps else 'vgg16',
        sampler.get('positive_share', 'uniform'),
        tuple(pipeline(config).get('ResizeWithEdges', {}).get('scales', (1.0,))),
    )


def test_the_rows_of_the_tables_are_there_once():
    assert sorted(map(str, map(row, PAPER))) == sorted(map(str, ROWS))


@pytest.mark.parametrize('name', PAPER)
def test_a_name_says_what_is_trained(name):
    taps, share, scales = row(name)
    points = 'uniform' if share == 'uniform' else f'positives-{share:.0%}'.rstrip('%')
    size = '-full-size' if scales == (1.0,) else ''
    assert name == f'pixelnet_{taps}_{points}_1xb5-25e_bsds500{size}.py'


@pytest.mark.parametrize('name', PAPER)
def test_training_is_that_of_the_paper(name):
    """Sec. 5.3, and the authors' network for BSDS."""
    config = parsed(name)
    assert config.train_dataloader.batch_size == 5
    repeated = config.train_dataloader.dataset
    assert repeated.times * 300 == 9600  # images an epoch: 16 angles, mirrored or not
    assert repeated.dataset.ann_file == ['train.txt', 'val.txt']
    assert pipeline(config)['RandomTurn'].num_angles == 16
    assert pipeline(config)['RandomFlip'].prob == 0.5
    (schedule,) = config.param_scheduler
    assert (schedule.milestones, schedule.gamma, config.train_cfg.max_epochs) == ([15, 20], 0.1, 25)
    assert config.test_dataloader.dataset.ann_file == 'test.txt'
    assert config.test_evaluator == dict(type='BoundaryMetric', num_thresholds=99)
    head = config.model.decode_head
    assert (head.mlp_channels, head.mlp_dropout, head.hypercolumn_dropout) == (
        (4096, 4096),
        0.5,
        0.5,
    )


def shrink_model(model):
    if model.backbone.type == 'TappedVGG':
        model.backbone.update(base_channels=2, fc_channels=16)
    model.backbone.init_cfg = None
    model.decode_head.mlp_channels = (24, 16)
    model.decode_head.sampler.num_points = 100


def tiny_model(name):
    init_default_scope('mmseg')
    config = copy.deepcopy(parsed(name))
    shrink_model(config.model)
    model = MODELS.build(config.model)
    model.init_weights()
    return config, model


@pytest.mark.parametrize('name', NAMES)
def test_predictions_can_be_looked_at(name):
    config = parsed(name)
    assert config.visualizer.type == 'MapVisualizer'
    assert config.default_hooks.visualization.type == 'SegVisualizationHook'


def test_initialisation_is_the_published_one():
    _, model = tiny_model(PAPER[0])
    for name, parameter in model.decode_head.named_parameters():
        if name.endswith('bias'):
            assert (parameter == 0).all()
        else:
            torch.testing.assert_close(parameter.std().item(), 1e-3, rtol=0.35, atol=0)


@pytest.mark.parametrize('name', PAPER)
def test_rates_and_decay_are_the_published_ones(name):
    config, model = tiny_model(name)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {id(p): key for key, p in model.named_parameters()}
    seen = set()
    for group in wrapper.optimizer.param_groups:
        for parameter in group['params']:
            key = names[id(parameter)]
            factor = 10 if key.startswith('decode_head') else 1
            is_bias = key.endswith('bias')
            assert group['lr'] == pytest.approx(1e-3 * factor * (2 if is_bias else 1)), key
            assert group['weight_decay'] == (0 if is_bias else 5e-4), key
            assert group['momentum'] == 0.9
            seen.add(key)
    assert seen == {key for key, _ in model.named_parameters()}


def test_small_configs_of_one_size_differ_in_their_points_alone():
    names = [name for name in SMALL if 'half-size' in name]
    assert len(names) == 4
    configs = [copy.deepcopy(parsed(name)) for name in names]
    samplers = [dict(config.model.decode_head.pop('sampler')) for config in configs]
    assert all(config.to_dict() == configs[0].to_dict() for config in configs)
    assert sorted(map(str, samplers)) == sorted(
        str(each)
        for each in (
            dict(type='UniformPointSampler', num_points=2000),
            *(
                dict(type='BalancedPointSampler', num_points=2000, positive_share=share)
                for share in (0.25, 0.5, 0.75)
            ),
        )
    )


def test_the_full_size_is_scored_as_published():
    (name,) = [name for name in SMALL if 'half-size' not in name]
    config = parsed(name)
    assert config.test_evaluator.num_thresholds == 99
    assert [step.type for step in config.test_dataloader.dataset.pipeline] == [
        'LoadImageFromFile',
        'LoadEdgeMap',
        'PackEdgeInputs',
    ]
    assert config.test_dataloader.dataset.get('indices') is None


@cache
def data_root():
    root = shared_folder() / 'bsds500'
    write_edge_data(root, numbers=(4, 5, 4, 6))
    return f'{root}/'


def tiny(name):
    """The config for tiny data and two iterations, as a file."""
    config = copy.deepcopy(parsed(name))
    shrink_model(config.model)
    config.train_dataloader.dataset.dataset.data_root = data_root()
    for part in ('val', 'test'):
        config[f'{part}_dataloader'].dataset.data_root = data_root()
        config[f'{part}_evaluator'].update(num_thresholds=3, processes=0)
    for part in ('train', 'val', 'test'):
        config[f'{part}_dataloader'].update(num_workers=0, persistent_workers=False)
    if config.train_cfg.type == 'EpochBasedTrainLoop':
        config.train_dataloader.dataset.times = 1
        config.train_cfg.update(max_epochs=1, val_interval=1)
        config.default_hooks.checkpoint.interval = 1
    else:
        config.train_cfg.update(max_iters=2, val_interval=2)
        config.default_hooks.checkpoint.interval = 2
    config.train_dataloader.batch_size = 4
    config.default_hooks.logger.interval = 1
    path = shared_folder() / 'configs' / 'pixelnet' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


QUICK = {
    'pixelnet_vgg16-fc7_positives-25_1xb5-25e_bsds500-full-size.py',
    'bsds500/pixelnet_efficientnet-lite0_uniform_1xb8-300_bsds500-half-size.py',
}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES]
)
def test_config_trains(name, tmp_path):
    run = train(tiny(name), tmp_path)
    entries = run.scalars()
    losses = [entry['decode.loss_edge'] for entry in entries if 'decode.loss_edge' in entry]
    assert len(losses) >= 1 and all(0 <= loss < 1 for loss in losses)
    assert {'ODS', 'OIS', 'AP', 'precision', 'recall', 'threshold'} <= entries[-1].keys()
    assert 0 <= entries[-1]['ODS'] <= 1


VOID_ON_ONE = """
_base_ = '{config}'
custom_imports = dict(imports=['labelenc_mm', 'training_hooks'], allow_failed_imports=False)
custom_hooks = [dict(type='KeepWeightsHook'), dict(type='VoidLabelsHook', rank=1)]
train_dataloader = dict(batch_size=2)
"""


def test_two_ranks_end_equal_though_one_has_no_point_to_learn_from(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(VOID_ON_ONE.format(config=tiny(PAPER[0])))
    train(config, tmp_path / 'run', processes=2)
    first = weights(tmp_path / 'run' / 'first_rank0.pth')
    ranks = [weights(tmp_path / 'run' / f'last_rank{rank}.pth') for rank in (0, 1)]
    assert differing(*ranks) == []
    assert 'decode_head.conv_seg.weight' in differing(first, ranks[0])
