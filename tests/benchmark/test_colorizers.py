"""Colorization at points beside colorization at all pixels."""

import copy

import pytest
from colorization_models import VGG
from mmengine.config import Config
from mmengine.registry import init_default_scope

from labelenc_mm.benchmark import Workload, build_train_step, find_task, measure_costs
from labelenc_mm.benchmark.colorizers import Colorizers
from labelenc_mm.benchmark.forms import group_forms

WORKLOAD = Workload((64, 64), batch_size=2)


@pytest.fixture
def config():
    init_default_scope('mmseg')
    head = dict(mlp_channels=(64,))
    model = dict(type='ColorizationPretrainer', backbone=VGG, decode_head=head)
    optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3))
    return Config(dict(model=model, optim_wrapper=optim_wrapper, default_scope='mmseg'))


def test_points_are_measured_beside_all_pixels(config):
    task = find_task(config)
    assert isinstance(task, Colorizers)
    (forms,) = group_forms({'ours': config}, task)
    assert list(forms) == ['all pixels, ColorizationPretrainer', 'ours']
    steps = {name: build_train_step(task, form, WORKLOAD) for name, form in forms.items()}
    dense, sparse = steps.values()
    assert dense.model.decode_head.point_sampler is None
    sampler = sparse.model.decode_head.point_sampler
    # As far from the border of 64 pixels as 96 are in a crop of 352.
    assert (sampler.num_points, sampler.border) == (128, 17)
    costs = measure_costs(steps, rounds=1)
    all_pixels, at_points = (cost.peak_bytes for cost in costs.values())
    assert at_points < all_pixels
    planes, gathered = (task.further_costs(step) for step in steps.values())
    # One plane of 64 channels alone has as many numbers.
    assert planes['target_mib'] > 2 * 64 * 64 * 64 * 4 / 2**20 > 2 * gathered['target_mib'] > 0
    assert planes['target_milliseconds'] > 0


def test_both_forms_are_of_one_network(config):
    task = find_task(config)
    (forms,) = group_forms({'ours': config}, task)
    dense, sparse = (build_train_step(task, form, WORKLOAD).model for form in forms.values())
    assert dense.state_dict().keys() == sparse.state_dict().keys()


def test_a_config_s_own_size_and_border_are_scaled(config):
    changed = copy.deepcopy(config)
    changed.model.data_preprocessor = dict(type='SegDataPreProcessor', size=(128, 128))
    changed.model.decode_head.sampler = dict(type='UniformPointSampler', num_points=5, border=32)
    step = build_train_step(find_task(changed), changed, WORKLOAD)
    sampler = step.model.decode_head.point_sampler
    assert (sampler.num_points, sampler.border) == (5, 16)


def test_points_that_are_said_in_short_are_scaled_and_left_out_too(config):
    config.model.decode_head.update(num_points=5, point_border=88)
    task = find_task(config)
    (forms,) = group_forms({'ours': config}, task)
    dense, sparse = (
        build_train_step(task, form, WORKLOAD).model.decode_head.point_sampler
        for form in forms.values()
    )
    assert dense is None and (sparse.num_points, sparse.border) == (5, 16)
