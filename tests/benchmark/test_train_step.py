"""Iterations on synthetic data are those of a training."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip('mmdet')

from detection_models import SMALL_ENCODER, small_model_config, stock_model_config
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope

from labelenc_mm.benchmark import Workload, build_train_step, find_task, measure_costs
from labelenc_mm.benchmark.costs import count_operations
from labelenc_mm.benchmark.detectors import Detectors
from labelenc_mm.benchmark.forms import with_label_shares
from labelenc_mm.benchmark.plain_form import PlainLabelEncoder, PlainLabelEncodingHead

WORKLOAD = Workload((64, 96), batch_size=2, num_objects=4, num_present=2)


def config_of(stage=None, train_cfg=None, **labelenc):
    model = small_model_config()
    if stage is not None:
        model.update(
            type='LabelEncRetinaNet',
            labelenc=dict(stage=stage, encoder=dict(SMALL_ENCODER), **labelenc),
        )
    optimizer = dict(type='SGD', lr=0.01, momentum=0.9)
    return Config(
        dict(
            model=model,
            train_cfg=train_cfg or dict(type='EpochBasedTrainLoop', max_epochs=12),
            optim_wrapper=dict(optimizer=optimizer, clip_grad=dict(max_norm=10)),
        )
    )


def train_step(config, *options):
    return build_train_step(find_task(config), config, *options)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')


def weights(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def all_equal(before, after):
    return all(map(torch.equal, before, after))


@pytest.mark.parametrize('stage', [None, 'autoencode', 'supervise'])
def test_trains_with_the_distance(stage):
    step = train_step(config_of(stage), WORKLOAD)
    before = weights(step.model.bbox_head)
    frozen = weights(step.model.labelenc.encoder) if stage == 'supervise' else []
    losses = step(step.fresh_batch())
    assert ('loss_labelenc' in losses) == (stage is not None)
    assert ('ae_loss_cls' in losses) == (stage == 'autoencode')
    assert not all_equal(before, weights(step.model.bbox_head))
    if frozen:
        assert all_equal(frozen, weights(step.model.labelenc.encoder))
    # Two iterations start from the same samples, whatever the first made of them.
    assert step.fresh_batch()['data_samples'][0].gt_instances.bboxes.shape == (4, 4)


@pytest.mark.parametrize('form', [dict(), dict(image_begin=None)], ids=['before', 'beside'])
def test_what_one_run_adds_follows_its_share(form):
    configs = {'stock': config_of(), 'ours': config_of('one-run', **form)}
    forms = with_label_shares(configs, [0, 0.5, 1])
    assert list(forms) == ['stock', 'ours, share 0', 'ours, share 0.5', 'ours, share 1']
    steps = {name: train_step(config, WORKLOAD) for name, config in forms.items()}
    stock, none, half, whole = (count_operations(step) for step in steps.values())
    assert none == stock < half < whole
    assert 2 * (half - stock) == whole - stock
    with pytest.raises(ValueError, match=r'0\.25 of --batch-size 2 .* give --batch-size 4'):
        train_step(config_of('one-run', label_share=0.25), WORKLOAD)
    with pytest.raises(ValueError, match='no config has'):
        with_label_shares({'stock': configs['stock']}, [0.5])


def test_takes_the_weights_that_both_forms_have():
    stock, ours = train_step(config_of(), WORKLOAD), train_step(config_of('supervise'), WORKLOAD)
    encoder = weights(ours.model.labelenc)
    ours.take_weights(stock)
    for name, value in stock.model.state_dict().items():
        assert torch.equal(ours.model.state_dict()[name], value), name
    assert all_equal(encoder, weights(ours.model.labelenc))


def test_weights_of_another_shape_stay():
    config = config_of()
    config.model.bbox_head.num_classes = 7
    other, ours = train_step(config, WORKLOAD), train_step(config_of(), WORKLOAD)
    classifier = weights(ours.model.bbox_head.retina_cls)
    ours.take_weights(other)
    assert all_equal(weights(other.model.backbone), weights(ours.model.backbone))
    assert all_equal(classifier, weights(ours.model.bbox_head.retina_cls))


def test_two_stage_detector_with_masks():
    config = config_of()
    config.model = stock_model_config('MaskRCNN')
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='torchvision://resnet50')
    config.model.update(
        type='LabelEncMaskRCNN', labelenc=dict(stage='supervise', encoder=dict(SMALL_ENCODER))
    )
    step = train_step(config, WORKLOAD)
    losses = step(step.fresh_batch())
    assert {'loss_mask', 'loss_labelenc'} <= set(losses)


def test_leaves_the_message_hub_as_it_was():
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', 3)
    step = train_step(config_of('supervise'), WORKLOAD)
    step(step.fresh_batch())
    assert hub.get_info('iter') == 3 and hub.get_info('max_iters') is None


@pytest.mark.parametrize(
    'train_cfg, limits',
    [
        (dict(type='IterBasedTrainLoop', max_iters=90000), dict(distance_by_epoch=False)),
        (dict(type='EpochBasedTrainLoop', max_epochs=12), dict(distance_begin=0.9)),
    ],
)
def test_finds_where_the_distance_is_active(train_cfg, limits):
    step = train_step(config_of('autoencode', train_cfg, **limits), WORKLOAD)
    assert 'loss_labelenc' in step(step.fresh_batch())


def test_a_label_branch_alone_is_measured_while_it_learns():
    alone = dict(image_begin=None, loss_weight=0, labels_train_head=True, label_end=0.3)
    step = train_step(config_of('one-run', **alone), WORKLOAD)
    assert 'ae_loss_cls' in step(step.fresh_batch())


@pytest.mark.parametrize(
    'limits', [dict(label_end=0.5), dict(distance_begin=0, detach_end=0.6), dict()]
)
def test_all_losses_of_one_run_count_in_the_iteration_that_is_measured(limits):
    step = train_step(config_of('one-run', image_begin=None, label_share=1.0, **limits), WORKLOAD)
    losses = step(step.fresh_batch())
    assert {'ae_loss_cls', 'loss_labelenc'} <= set(losses)
    with step.as_in_training():
        assert not step.model.labelenc.is_detached()


@pytest.mark.parametrize('weight', [1, 0])
def test_after_labels_alone_the_images_are_what_is_measured(weight):
    step = train_step(config_of('one-run', loss_weight=weight), WORKLOAD)
    losses = set(step(step.fresh_batch()))
    assert 'loss_cls' in losses and ('loss_labelenc' in losses) == bool(weight)
    assert not any(key.startswith('ae_') for key in losses)


@pytest.mark.parametrize(
    'labelenc, trained, idle, draws',
    [
        (dict(stage='autoencode', joint=False), 'ae_loss_cls', 'loss_cls', True),
        (dict(stage='autoencode', loss_weight=0), 'ae_loss_cls', 'loss_labelenc', True),
        (dict(stage='supervise', loss_weight=0), 'loss_cls', 'ae_loss_cls', False),
    ],
)
def test_trainings_that_have_no_distance_at_all(labelenc, trained, idle, draws):
    """Tables 2 and 5: the reconstruction alone, and the initialization alone."""
    step = train_step(config_of(**labelenc), WORKLOAD)
    losses = step(step.fresh_batch())
    assert trained in losses and idle not in losses and 'loss_labelenc' not in losses
    assert bool(Detectors().further_costs(step)) == draws


def test_says_which_config_has_its_distance_too_late(tmp_path):
    path = tmp_path / 'late.py'
    config_of('autoencode', distance_begin=0.97).dump(path)
    with pytest.raises(ValueError, match=r'late\.py.*20 points.*labelenc\.distance_begin=0\.97'):
        train_step(Config.fromfile(path), WORKLOAD)


def test_autocast_on_the_cpu():
    step = train_step(config_of('supervise'), WORKLOAD, 'cpu', 'bf16')
    dtypes = {}
    parts = dict(
        neck=step.model.neck.fpn_convs[0].conv,
        encoder=step.model.labelenc.encoder.stages[3][0].conv2,
    )
    for name, layer in parts.items():
        layer.register_forward_hook(
            lambda _, inputs, output, name=name: dtypes.update({name: output.dtype})
        )
    before = weights(step.model.neck)
    step(step.fresh_batch())
    assert dtypes == dict(neck=torch.bfloat16, encoder=torch.bfloat16)
    assert not all_equal(before, weights(step.model.neck))
    with pytest.raises(ValueError, match='fp16 needs a GPU'):
        train_step(config_of(), WORKLOAD, 'cpu', 'fp16')


@pytest.mark.gpu
@pytest.mark.parametrize('amp', [None, 'fp16', 'bf16'])
def test_on_a_gpu(amp):
    steps = {
        stage: train_step(config_of(stage), WORKLOAD, 'cuda', amp) for stage in (None, 'supervise')
    }
    costs = measure_costs(steps, rounds=1)
    assert costs['supervise'].multiply_adds > costs[None].multiply_adds
    assert costs['supervise'].peak_bytes > costs[None].peak_bytes > 0


def test_costs_of_both_forms():
    workload = replace(WORKLOAD, size=(60, 90))  # padded to 64x96
    plain = config_of('autoencode')
    plain.model.labelenc.update(type=PlainLabelEncodingHead)
    plain.model.labelenc.encoder.update(type=PlainLabelEncoder)
    steps = {
        name: train_step(config, workload)
        for name, config in dict(
            stock=config_of(), sparse=config_of('autoencode'), plain=plain
        ).items()
    }
    costs = measure_costs(steps, rounds=2)
    assert all(len(cost.seconds) == len(cost.cpu_seconds) == 2 for cost in costs.values())
    assert costs['stock'].multiply_adds < costs['sparse'].multiply_adds
    assert costs['sparse'].multiply_adds < costs['plain'].multiply_adds
    maps = {name: Detectors().further_costs(step) for name, step in steps.items()}
    assert maps['stock'] == {}
    assert maps['sparse']['map_mib'] == 2 * 2 * 64 * 96 * 4 / 2**20  # images, classes, pixels
    assert maps['plain']['map_mib'] == 2 * 80 * 64 * 96 * 4 / 2**20
    assert maps['sparse']['encoding_peak_mib'] < maps['plain']['encoding_peak_mib']
