"""Segmentors that start from a colorization: what their configs say beside the paper, and two iterations."""

import copy
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from label_map_files import innermost, write_label_maps
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from paper_configs import distinct_models, names_of_the_paper, without_gradient
from photo_files import write_photos
from segmentation_models import random_maps, samples
from segmentation_training import last_metrics
from training_runs import ROOT, shared_folder, train, weights

import labelenc_mm
from labelenc_mm.networks.tapped_vgg import ALL_CONVS
from labelenc_mm.pretraining.pretrained_segmentor import pretrained_segmentor
from labelenc_mm.recipes import make_plan, read_recipe
from labelenc_mm.recipes.run import _parse_options

FOLDER = 'colorization'
PAPER = sorted(n for n in names_of_the_paper(FOLDER) if n.startswith('hypercolumn_'))
SMALL = sorted(
    f'voc12/{path.name}' for path in (ROOT / 'configs' / FOLDER / 'voc12').glob('hypercolumn_*.py')
)
SEARCH = 'hypercolumn_vgg16-fov_colorization_1xb10-search_voc12aug-gray-448x448.py'
FOUND = SEARCH.replace('search', 'found')
TABLES = [name for name in PAPER if name not in (SEARCH, FOUND)]
NAMES = [*PAPER, *SMALL]
CLASSIFIER = 'voc12/classify_vgg16-narrow_1xb16-70e_voc12-96x96.py'
RECIPES = ('table1.yml', 'table2.yml', 'table3.yml', 'table5.yml', 'table6.yml')
GRAY = 'hypercolumn_vgg16-fov_colorization_1xb10-40k_voc12aug-gray-448x448.py'
SIDE = 96  # less than a cell of the second block of a larger field of view


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'{FOLDER}/{name}'))


def shrunk(model):
    """The same layers, as narrow as they may be."""
    model = copy.deepcopy(model)
    model.data_preprocessor.size = (SIDE, SIDE)
    backbone, head = model.backbone, model.decode_head
    channels = 8
    if backbone.type == 'TappedVGG':
        backbone.update(base_channels=2, fc_channels=channels, init_cfg=None)
    elif backbone.type == 'TappedAlexNet':
        backbone.update(width_mult=0.0625, fc_channels=channels)
    else:
        backbone.backbone.update(base_channels=2, stem_channels=2)
        channels = 2 * 8 * 4
    if model.get('neck'):
        model.neck.update(in_channels=channels, channels=6)
    head.update(mlp_channels=[6], num_points=20, point_border=4)
    return model


def build(model):
    init_default_scope('mmseg')
    model = MODELS.build(shrunk(model))
    model.init_weights()
    return model


def absorbed(model, path):
    """A file as a pretraining leaves it, made ready, for the backbone of a segmentor."""
    torch.manual_seed(1)
    metadata = dict(method='colorization', target='ColorHistogramTargets', encoder=[])
    kind = pretrained_segmentor(['neck', 'decode_head'])
    path.parent.mkdir(parents=True, exist_ok=True)
    kind.save(path, build(model).state_dict(), dict(metadata, parts=['backbone'], photos=4))
    return str(path)


def tiny(name):
    """The config for tiny data and two iterations, as a file, and the file that it starts from."""
    config = copy.deepcopy(parsed(name))
    start = None
    if config.get('custom_hooks'):
        start = absorbed(config.model, shared_folder() / 'absorbed' / f'{Path(name).stem}.pth')
        config.custom_hooks[0].checkpoint = start
    config.model = shrunk(config.model)
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        for dataset in innermost(loader.dataset):
            write_label_maps(dataset, shared_folder() / 'data of colorization')
            for step in dataset.pipeline:
                if 'crop_size' in step:
                    step.crop_size = (SIDE, SIDE)
    config.train_dataloader.batch_size = 2
    config.train_cfg.update(max_iters=2, val_interval=2)
    if name == FOUND:
        schedule = shared_folder() / 'schedule of a segmentor.json'
        schedule.write_text(json.dumps(dict(drops=[1], end=2, factor=0.1, scores={})))
        config.train_cfg.pop('max_iters')
        config.train_cfg.schedule = config.param_scheduler[0].schedule = str(schedule)
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.interval = 2
    path = shared_folder() / 'configs' / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path, start


QUICK = {GRAY, *(name for name in PAPER if 'alexnet-fov_col' in name)}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES]
)
def test_config_trains(name):
    path, start = tiny(name)
    run = train(path, shared_folder() / 'runs' / FOLDER / name)
    losses = [entry['loss'] for entry in run.scalars() if 'loss' in entry]
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert {'mIoU', 'mAcc'} <= last_metrics(run).keys()
    if start:
        assert f'Segmentor loaded from {start} (colorization); fresh: ' in run.output
        assert 'decode_head' in run.output.partition('fresh: ')[2].partition('\n')[0]


def test_rows_of_the_tables_are_there():
    stems = {tuple(Path(name).stem.split('_')[1:]) for name in TABLES}
    nets = [(net + fov,) for net in ('alexnet', 'vgg16', 'r152') for fov in ('', '-fov')]
    gray, color = '1xb10-40k voc12aug-gray-448x448', '1xb10-40k voc12aug-448x448'
    rows = [(*net, *start, *gray.split()) for net in nets for start in ((), ('colorization',))]
    rows += [('vgg16-fov', 'in1k-pre', *data.split()) for data in (gray, color)]
    assert stems == {*rows, ('vgg16-fov', 'colorization', *color.split())}


@pytest.mark.parametrize('name', TABLES)
def test_protocol_is_the_papers(name):
    """Sec. 4.1 and 5.1, and the released code where they are silent."""
    config = parsed(name)
    for part in innermost(config.train_dataloader.dataset):
        steps = {step.type: step for step in part.pipeline}
        assert steps['RandomCrop'].crop_size == (448, 448)
        assert 'RandomFlip' in steps and not {'Resize', 'RandomResize'} & steps.keys()
    lists = [d.ann_file.rpartition('/')[2] for d in innermost(config.train_dataloader.dataset)]
    assert lists == ['train.txt', 'aug.txt'] and config.train_dataloader.batch_size == 10
    (scheduler,) = config.param_scheduler
    assert (scheduler.milestones, scheduler.gamma) == ([22500, 30000], 0.1)
    assert config.train_cfg.max_iters == scheduler.end == 40000
    head, backbone = config.model.decode_head, config.model.backbone
    assert (head.mlp_channels, head.num_points, head.point_border) == ([1024], 128, 32)
    assert not backbone.get('norm_cfg')  # absorbed
    if 'r152' in name:
        footnote_2 = [
            'relu',
            *(f'layer1.{i}' for i in range(3)),
            'layer2.1',
            'layer2.4',
            'layer2.7',
        ]
        footnote_2 += [*(f'layer3.{i}' for i in range(5, 36, 5)), 'layer4.2']
        assert backbone.taps == footnote_2
        assert backbone.backbone.norm_cfg.type == 'BN' and not backbone.backbone.norm_eval
    elif 'vgg16' in name:
        assert backbone.taps == ['data', *ALL_CONVS, 'fc6', 'fc7']
    is_gray = '-gray-' in name
    assert backbone.in_channels == (1 if is_gray else 3)
    kind = 'GraySegDataPreProcessor' if is_gray else 'SegDataPreProcessor'
    assert config.model.data_preprocessor.type == kind
    starts_from = config.custom_hooks[0].checkpoint if '_colorization_' in name else ''
    if starts_from:
        folder, file = Path(starts_from).parts[1:]
        assert Path(labelenc_mm.config(f'{FOLDER}/{folder}.py')).is_file()
        of_table_3 = '_vgg16_' in name or '_r152_' in name or '_alexnet-fov_' in name
        # All comparisons have 3 epochs (sec. 3.1); what is of Table 1, too, starts from its own.
        assert ('_1xb8-3e_' in folder) == of_table_3
        kept = 'pretrained_segmentor.pth' if 'r152' in name else 'absorbed.pth'
        assert file == (kept if is_gray else 'absorbed_rgb.pth')


def test_a_schedule_is_searched_on_images_that_are_held_out():
    """Sec. 4.1: a tenth of either list, 1,464 and 9,118 images."""
    search, found, protocol = parsed(SEARCH), parsed(FOUND), parsed(GRAY)
    assert search.param_scheduler[0].type == 'ReduceOnPlateauLR'
    assert search.default_hooks.schedule_search.type == 'ScheduleSearchHook'
    assert search.default_hooks.checkpoint.interval == search.train_cfg.val_interval
    parts = zip(
        *(innermost(c.train_dataloader.dataset) for c in (search, found, protocol)),
        innermost(search.val_dataloader.dataset),
        (1464, 9118),
        strict=True,
    )
    for learned, of_found, whole, held_out, number in parts:
        assert of_found == whole
        kept = round(0.9 * number)
        assert learned.ann_file.endswith(f'/{kept}_seed0.txt')
        assert held_out.ann_file.endswith(f'/heldout_{number - kept}_seed0.txt')
        assert learned.data_prefix == held_out.data_prefix == whole.data_prefix
        assert held_out.pipeline == protocol.test_dataloader.dataset.pipeline
        assert learned.pipeline == whole.pipeline
    for config in (search, found):
        assert config.test_dataloader == protocol.test_dataloader
        assert config.model == protocol.model


@pytest.mark.parametrize('name', [n for n in PAPER if '-fov_1xb10' in n])
def test_field_of_view_stands_on_the_last_layer_of_the_whole_network(name):
    """Two blocks of 1024 (sec. 4.1), at twice and four times the stride of the backbone."""
    config = parsed(name)
    assert config.model.neck == dict(
        type='FieldOfViewNeck', in_channels=2048 if 'r152' in name else 4096
    )
    head = build(config.model).decode_head
    assert head.projection.strides[-3:] == (32, 64, 128)


def test_weights_alone_decay():
    model = build(parsed(GRAY).model)
    wrapper = build_optim_wrapper(model, copy.deepcopy(parsed(GRAY).optim_wrapper))
    names = {id(parameter): key for key, parameter in model.named_parameters()}
    for group in wrapper.optimizer.param_groups:
        for parameter in group['params']:
            is_bias = names[id(parameter)].endswith('bias')
            assert (group['lr'], group['weight_decay']) == (1e-3, 0 if is_bias else 5e-4)


def test_head_starts_as_in_the_released_code():
    torch.manual_seed(0)
    config = copy.deepcopy(parsed(GRAY).model)
    model = shrunk(config)
    model.decode_head.mlp_channels = [1024]
    init_default_scope('mmseg')
    segmentor = MODELS.build(model)
    segmentor.init_weights()
    first = torch.cat(
        [p.flatten() for p in segmentor.decode_head.projection.parameters() if p.dim() > 1]
    )
    assert float(first.detach().std()) == pytest.approx(1e-4, rel=0.1)
    last = segmentor.decode_head.conv_seg.weight
    # He and others: the variance of a weight is 2 by the number of its outputs, or inputs.
    assert float(last.detach().std()) in [
        pytest.approx((2 / n) ** 0.5, rel=0.1) for n in (21, 1024)
    ]


@pytest.mark.parametrize('name', distinct_models({n: parsed(n) for n in NAMES}))
def test_several_processes_find_a_gradient_of_every_parameter(name):
    model = build(parsed(name).model).train()
    data = samples(random_maps(2, num_classes=21, size=(SIDE, SIDE)))
    images = torch.rand(2, parsed(name).model.backbone.in_channels, SIDE, SIDE)
    assert without_gradient(model, model(images, data, mode='loss')) == []


@cache
def runs_of(recipe):
    path = labelenc_mm.config(f'{FOLDER}/{recipe}')
    runs = make_plan(read_recipe(path, seeds=[0]), Path('/w'), Path('/tools')).runs.values()
    found = {}
    for run in runs:
        if run.stage.kind == 'train' and run.config_path().name.startswith('hypercolumn_'):
            config = Config.fromfile(run.config_path())
            config.merge_from_dict(_parse_options(run.option_strings()))
            found[run.name.removesuffix('-seed=0')] = config
    return found


@pytest.mark.parametrize('recipe', RECIPES)
def test_rows_of_a_table_start_from_different_weights_or_differ_in_the_network(recipe):
    rows = {
        repr((c.model, c.get('custom_hooks'), c.default_hooks.get('frozen')))
        for c in runs_of(recipe).values()
    }
    number = {
        'table1.yml': 5,
        'table2.yml': 5,
        'table3.yml': 12,
        'table5.yml': 4,
        'table6.yml': 10,
    }[recipe]
    assert len(rows) == len(runs_of(recipe)) == number


# What of VGG-16 learns in a row of Table 6: its first layer.
FIRST = {'none': None, 'fc': 'fc6', 'conv4': 'conv4_1', 'all': 'conv1_1'}


def test_rows_of_table_6_leave_the_layers_before_as_they_are():
    layers = [*ALL_CONVS, 'fc6', 'fc7']
    for stage, config in runs_of('table6.yml').items():
        learns = FIRST[stage.rpartition('_')[2]]
        paths = config.default_hooks.get('frozen', {}).get('modules', [])
        frozen = layers if paths == 'backbone' else [p.removeprefix('backbone.') for p in paths]
        assert frozen == (layers[: layers.index(learns)] if learns else layers), stage


def test_frozen_layers_stay_and_the_rest_learns():
    path, start = tiny(GRAY)
    modules = runs_of('table6.yml')['colorization_conv4'].default_hooks.frozen.modules
    run = train(
        path,
        shared_folder() / 'runs' / FOLDER / 'frozen',
        'default_hooks.frozen.type=FrozenPhaseHook',
        f'default_hooks.frozen.modules={",".join(modules)}',
    )
    trained, old = weights(run.work_dir / 'iter_2.pth'), weights(Path(start))
    same = {key for key, value in old.items() if torch.equal(value, trained[key])}
    assert {key for key in old if key.startswith(tuple(f'{m}.' for m in modules))} == same


def test_starts_and_segmentors_of_the_small_data_set_are_one_network():
    """But for the taps and how the weights begin."""
    names = [f'voc12/{path.name}' for path in (ROOT / 'configs' / FOLDER / 'voc12').glob('*.py')]
    networks = set()
    for name in names:
        backbone = parsed(name).model.backbone.to_dict()
        for key in ('taps', 'init_cfg'):
            backbone.pop(key, None)
        networks.add(repr(sorted(backbone.items())))
    assert len(names) == 6 and len(networks) == 1
    assert backbone['norm_cfg'] == dict(type='BN', affine=False)


@pytest.mark.slow
def test_labels_of_whole_images_train_the_network_too():
    config = copy.deepcopy(parsed(CLASSIFIER))
    config.model.backbone.update(base_channels=2, fc_channels=8)
    root = shared_folder() / 'labelled images of colorization'
    names = write_photos(root, 4, (96, 120))
    for part in ('train', 'val', 'test'):
        dataset = config[f'{part}_dataloader'].dataset
        lines = [f'{name} {i} {i + 3}' for i, name in enumerate(names)]
        (root / dataset.ann_file).write_text('\n'.join(lines))
        dataset.data_root = f'{root}/'
        config[f'{part}_dataloader'].batch_size = 2
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.default_hooks.logger.interval = 1
    path = shared_folder() / 'configs' / FOLDER / CLASSIFIER
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    run = train(path, shared_folder() / 'runs' / FOLDER / CLASSIFIER)
    assert sum('loss_cls' in entry for entry in run.scalars()) == 2
    assert 'mAP' in run.scalars()[-1] and 'loss_color' not in run.output
    keys = {key for key in weights(run.work_dir / 'epoch_1.pth') if key.startswith('backbone.')}
    init_default_scope('mmseg')
    colorizer = copy.deepcopy(parsed('voc12/colorize_vgg16-narrow-hist_1xb16-50e_photos-96x96.py'))
    expected = MODELS.build(colorizer.model.backbone).state_dict()
    assert keys == {f'backbone.{key}' for key in expected}
