"""Configs of PixelNet for surface normals and depth: what they say, and two iterations of each.

Only what no test can have is exchanged: photos and maps (a few of noise), widths, addresses of weights, the
length of the training.
"""

import copy
import re
from functools import cache

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from normal_files import write_normals, write_rgb
from training_runs import ROOT, TEST, run_script, train

import labelenc_mm
from labelenc_mm.recipes import make_plan, read_recipe

NORMALS = ['', '-fc7']
PAPER = [f'pixelnet_vgg16{tap}_1xb5-60k_nyuv2-normals-224x224.py' for tap in NORMALS]
DEPTH = 'pixelnet_vgg16_1xb5-60k_nyu-depth-224x224.py'
SMALL = sorted(
    f'nyuv2_normals/{path.name}'
    for path in (ROOT / 'configs' / 'pixelnet' / 'nyuv2_normals').glob('*.py')
)


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'pixelnet/{name}'))


def shrunken(name):
    config = copy.deepcopy(parsed(name))
    model = config.model
    model.backbone.init_cfg = None
    if model.backbone.type == 'TappedVGG':
        model.backbone.update(base_channels=2, fc_channels=4)
        if 'in_channels' in model.decode_head:
            model.decode_head.in_channels = [2, 4, 8, 16, 16]
    if model.decode_head.get('mlp_channels'):
        model.decode_head.mlp_channels = (8, 8)
    model.decode_head.sampler.num_points = 100
    config.train_cfg.update(max_iters=2, val_interval=2)
    for each in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        each.update(num_workers=0, persistent_workers=False)
    return config


def write_depth(root):
    """Photos and depth of noise, as mmseg's NYUDataset has them."""
    for split in ('train', 'test'):
        for number in range(4):
            rng = np.random.default_rng(number)
            pictures = {
                root / 'images' / split / f'bedroom_{number}.jpg': rng.integers(
                    0, 256, (480, 640, 3), np.uint8
                ),
                root / 'annotations' / split / f'bedroom_{number}.png': rng.integers(
                    0, 9000, (480, 640), np.uint16
                ),
            }
            for path, picture in pictures.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), picture)
    return root


@pytest.mark.parametrize('name', [*PAPER, DEPTH, *SMALL])
def test_config_trains(name, tmp_path):
    config = shrunken(name)
    write = write_depth if name == DEPTH else write_normals
    root = write(tmp_path / 'data')
    for each in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        each.dataset.data_root = f'{root}/'
    config.default_hooks.visualization.update(draw=True, interval=1)
    path = tmp_path / 'config.py'
    config.dump(path)
    run = train(path, tmp_path / 'run')
    last = run.scalars()[-1]
    wanted = ('rmse', 'abs_rel') if name == DEPTH else ('normals/mean', 'normals/within_30')
    assert all(np.isfinite(last[key]) for key in wanted)
    assert list(run.work_dir.rglob('vis_image/*.png'))


def test_rank_without_valid_pixels_trains_with_the_others(tmp_path):
    """The second of two processes sees photos without a single normal; both measure what one measures."""
    config = shrunken(SMALL[-1])
    root = write_normals(tmp_path / 'data')
    for number in (1, 3):
        write_rgb(root / 'normals' / f'{number}.png', np.zeros((72, 96, 3), np.uint8))
    for each in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        each.dataset.data_root = f'{root}/'
    config.train_dataloader.update(
        batch_size=1, sampler=dict(type='InfiniteSampler', shuffle=False)
    )
    path = tmp_path / 'config.py'
    config.dump(path)
    run = train(path, tmp_path / 'run', processes=2)
    assert run.statuses == [0, 0]
    losses = [entry['loss'] for entry in run.scalars() if 'loss' in entry]
    assert np.isfinite(losses).all()
    checkpoint = tmp_path / 'run' / 'iter_2.pth'
    alone = run_script(TEST, path, checkpoint, work_dir=tmp_path / 'alone')
    (found,) = re.findall(r'normals/mean: ([\d.]+)', alone.output)
    assert float(found) == pytest.approx(run.scalars()[-1]['normals/mean'], abs=1e-3)


@pytest.mark.parametrize('name', PAPER)
def test_rows_of_table_5_are_the_authors_network_and_schedule(name):
    config = parsed(name)
    head = config.model.decode_head
    assert (head.num_classes, *head.mlp_channels) == (3, 4096, 4096)
    assert (head.init_cfg.std, head.init_cfg.bias) == (5e-4, 0.1)
    assert config.train_dataloader.batch_size == 5 and head.sampler.num_points == 1500
    (schedule,) = config.param_scheduler
    assert (config.train_cfg.max_iters, schedule.milestones, schedule.gamma) == (
        60000,
        [50000],
        0.1,
    )
    init_default_scope('mmseg')
    small = shrunken(name)
    model = MODELS.build(small.model)
    groups = build_optim_wrapper(model, small.optim_wrapper).param_groups
    by_id = {id(p): group for group in groups for p in group['params']}
    for key, parameter in model.named_parameters():
        group = by_id[id(parameter)]
        is_bias = key.endswith('bias')
        assert group['lr'] == pytest.approx(2e-3 if is_bias else 1e-3)
        assert group['weight_decay'] == (0 if is_bias else 5e-4)
    channels = sum(MODELS.build(config.model.backbone | dict(init_cfg=None)).tap_channels)
    assert channels == (5568 if 'fc7' in name else 1472)  # facts of the paper, sec. 3


def test_depth_differs_from_the_normals_in_the_task_alone():
    depth, normals = (parsed(name) for name in (DEPTH, PAPER[0]))
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert depth[key] == normals[key]
    assert depth.model.backbone == normals.model.backbone
    backbone = MODELS.build(depth.model.backbone | dict(init_cfg=None))
    head = depth.model.decode_head
    assert tuple(head.in_channels) == backbone.tap_channels
    assert tuple(head.strides) == backbone.tap_strides
    assert depth.val_evaluator.type == 'DepthMetric'


def test_recipe_plans_both_rows_for_three_seeds(tmp_path):
    recipe = read_recipe(ROOT / 'configs' / 'pixelnet' / 'nyuv2_normals' / 'evidence.yml')
    runs = make_plan(recipe, tmp_path, ROOT / 'tools').runs
    assert sorted(runs) == sorted(f'{s}-seed={i}' for s in ('mlp', 'linear') for i in range(3))
