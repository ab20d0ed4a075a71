import copy

import pytest
import torch
from denoising_models import stock_model_config
from mmengine.config import Config
from mmengine.registry import init_default_scope

from labelenc_mm.benchmark import Workload, build_train_step, find_task, measure_costs
from labelenc_mm.benchmark.costs import Call, count_operations
from labelenc_mm.benchmark.forms import group_forms
from labelenc_mm.benchmark.pretrainers import Pretrainers

WORKLOAD = Workload((64, 64), batch_size=2)


@pytest.fixture
def config():
    init_default_scope('mmseg')
    model = stock_model_config('UPerNet')
    model.update(type='DenoisingDecoderPretrainer')
    optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
    return Config(dict(model=model, optim_wrapper=optim_wrapper))


def test_ddep_is_measured_beside_dep(config):
    task = find_task(config)
    assert isinstance(task, Pretrainers)
    (forms,) = group_forms({'ddep': config}, task)
    assert list(forms) == ['DeP, DenoisingDecoderPretrainer (UPerHead)', 'ddep']
    steps = {name: build_train_step(task, form, WORKLOAD) for name, form in forms.items()}
    dep, ddep = steps.values()
    assert all(p.requires_grad for p in dep.model.parameters())
    costs = measure_costs(steps, rounds=1)
    # The encoder's passes: forward alone where it is frozen. All convolutions have a gradient for the
    # weight and for the input, the first one but for its input, which is the image.
    ours, theirs = (cost.multiply_adds for cost in reversed(costs.values()))
    image = torch.randn(2, 3, *WORKLOAD.size)
    ddep.model.backbone.eval()
    encoder = count_operations(Call(ddep.model.backbone, lambda: image))
    first = next(m for m in ddep.model.backbone.modules() if isinstance(m, torch.nn.Conv2d))
    stem = count_operations(Call(first, lambda: image))
    # ... and the decoder has no gradient for its input, which DeP needs
    assert 2 * encoder - stem < theirs - ours < 2 * encoder - stem + 0.5 * ours
    peaks = [cost.peak_bytes for cost in costs.values()]
    assert peaks[1] < peaks[0]
    assert task.further_costs(ddep)['noise_milliseconds'] > 0


def test_dep_has_nothing_to_be_measured_beside(config):
    config.model.encoder = ()
    with pytest.raises(ValueError, match='is DeP'):
        find_task(config).stock_config(config)


def test_channels_last(config):
    task = find_task(config)
    step = build_train_step(task, config, WORKLOAD, channels_last=True)
    weight = step.model.decode_head.fpn_bottleneck.conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    plain = build_train_step(task, config, WORKLOAD)
    plain.take_weights(step)
    losses = []
    for each in (step, plain):
        torch.manual_seed(0)
        losses.append(each(each.fresh_batch())['loss_denoising'].item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_pretraining_and_segmentation_are_not_compared(config):
    from labelenc_mm.benchmark.forms import find_common_task

    segmentor = copy.deepcopy(config)
    segmentor.model.type = 'EncoderDecoder'
    with pytest.raises(ValueError, match='pretrainers and segmentors cannot be compared'):
        find_common_task({'a': config, 'b': segmentor})
