"""The configs of docs/colorization.md, as a reader would copy them."""

import json

import pytest
import torch
from colorization_models import photo_batch
from doc_pages import load_block, python_blocks
from mmengine.registry import HOOKS, LOOPS, PARAM_SCHEDULERS
from mmseg.registry import METRICS, MODELS
from segmentation_models import random_maps, samples

# The one left out is for MMPretrain.
PRETRAIN, FINE_TUNE, CLASSIFY, _, SEARCH, FOUND = python_blocks('docs/colorization.md')
SIDE = 64


def tiny(config):
    config.model.backbone.update(base_channels=2, fc_channels=8)
    if 'data_preprocessor' in config.model:
        config.model.data_preprocessor.size = (SIDE, SIDE)
    return MODELS.build(config.model)


def test_pretraining_has_all_that_it_needs_and_learns(tmp_path):
    config = load_block(PRETRAIN, tmp_path)
    for part in ('train', 'val', 'test'):
        assert config[f'{part}_dataloader'] and config[f'{part}_cfg']
    config.model.decode_head = dict(
        type='ColorHistogramHead',
        mlp_channels=[8],
        sampler=dict(type='UniformPointSampler', num_points=9, border=9),
    )
    model = tiny(config)
    batch = model.data_preprocessor(photo_batch((SIDE, SIDE), (SIDE, SIDE)), training=True)
    loss, _ = model.parse_losses(model(**batch, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)


def test_fine_tuning_takes_what_a_pretraining_leaves(tmp_path):
    pretrained, config = load_block(PRETRAIN, tmp_path).model, load_block(FINE_TUNE, tmp_path)
    absorbed = {k: v for k, v in pretrained.backbone.items() if not k.endswith('norm_cfg')}
    assert config.model.backbone == absorbed
    config.model.neck.update(in_channels=8, channels=8)
    config.model.decode_head.update(mlp_channels=[8], num_points=9, point_border=0)
    model = tiny(config)
    data = samples(random_maps(2, num_classes=21, size=(SIDE, SIDE)))
    loss, _ = model.parse_losses(model(torch.rand(2, 1, SIDE, SIDE), data, mode='loss'))
    loss.backward()
    HOOKS.build(config.custom_hooks[0])


def test_classifier_is_built(tmp_path):
    pytest.importorskip('sklearn')
    config = load_block(CLASSIFY, tmp_path)
    assert tiny(config).backbone(torch.rand(1, 1, SIDE, SIDE))[0].shape[1] == 8
    METRICS.build(config.val_evaluator)
    HOOKS.build(config.custom_hooks[0])


def test_a_search_and_what_follows_it(tmp_path):
    search = load_block(SEARCH, tmp_path)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    (scheduler,) = search.param_scheduler
    assert PARAM_SCHEDULERS.build({**scheduler, 'optimizer': optimizer}).monitor == 'mAP'
    HOOKS.build(search.default_hooks.schedule_search)
    found = load_block(FOUND, tmp_path)
    (follower,) = found.param_scheduler
    assert follower.schedule == found.train_cfg.schedule and found.train_cfg.type in LOOPS
    schedule = tmp_path / 'schedule.json'
    schedule.write_text(json.dumps(dict(drops=[3], end=5, factor=0.1, scores={})))
    built = PARAM_SCHEDULERS.build({**follower, 'schedule': str(schedule), 'optimizer': optimizer})
    assert dict(built.milestones) == {3: 1}
