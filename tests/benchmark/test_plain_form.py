"""The plain form computes the same as the form that trains."""

import sys

import pytest
import torch

pytest.importorskip('mmdet')

from detection_models import (
    SMALL_ENCODER,
    build,
    data,
    small_model_config,
    sum_losses,
    training_at,
)
from mmengine.config import Config
from mmengine.registry import Registry

from labelenc_mm.benchmark import Workload, build_train_step, find_task
from labelenc_mm.benchmark.plain_form import (
    PlainLabelEncoder,
    PlainLabelEncodingHead,
    plain_config,
)


@pytest.mark.parametrize('stage', ['autoencode', 'supervise'])
@pytest.mark.parametrize('label_source', ['box', 'mask'])
def test_same_losses_and_gradients(stage, label_source):
    fast = build('small', stage, label_source=label_source)
    plain = build(
        'small',
        stage,
        type=PlainLabelEncodingHead,
        encoder=dict(SMALL_ENCODER, type=PlainLabelEncoder),
        label_source=label_source,
    )
    plain.load_state_dict(fast.state_dict())  # strict: the same names
    results = []
    for detector in (fast, plain):
        batch = data(detector)
        torch.manual_seed(1)  # of the value augmentation
        with training_at():
            losses = detector(**batch, mode='loss')
        loss = sum_losses(losses)
        loss.backward()
        gradients = {name: p.grad for name, p in detector.named_parameters()}
        results.append((loss, losses['loss_labelenc'], gradients))
    (loss, distance, gradients), (plain_loss, plain_distance, plain_gradients) = results
    torch.testing.assert_close(loss, plain_loss)
    torch.testing.assert_close(distance, plain_distance)
    for name, gradient in gradients.items():
        wanted = plain_gradients[name]
        assert (gradient is None) == (wanted is None), name
        if gradient is not None:
            atol = 1e-4 * float(wanted.abs().max())
            torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=atol, msg=name)


def test_plain_maps_hold_every_class():
    fast = build('small')
    plain = build('small', type=PlainLabelEncodingHead)
    sample = data(fast)['data_samples'][0]
    classes, maps = fast.labelenc.draw(sample, (128, 128))
    all_classes, all_maps = plain.labelenc.draw(sample, (128, 128))
    assert all_classes.tolist() == list(range(80))
    assert torch.equal(all_maps[classes], maps)
    assert not all_maps.any((1, 2)).index_fill(0, classes, False).any()


def test_config_takes_the_plain_classes_and_keeps_the_rest():
    config = Config(dict(model=dict(labelenc=dict(stage='supervise', loss_weight=2.0))))
    labelenc = plain_config(config).model.labelenc
    assert labelenc.type is PlainLabelEncodingHead
    assert labelenc.encoder.type is PlainLabelEncoder
    assert (labelenc.stage, labelenc.loss_weight) == ('supervise', 2.0)
    assert 'encoder' not in config.model.labelenc


@pytest.mark.parametrize('encoder', ['mmdet.LabelEncoder', 'labelenc_mm.networks.LabelEncoder'])
def test_the_label_encoder_may_be_spelt_otherwise(encoder):
    config = Config(dict(model=dict(labelenc=dict(encoder=dict(type=encoder)))))
    assert plain_config(config).model.labelenc.encoder.type is PlainLabelEncoder


def test_other_encoders_have_no_plain_form():
    config = Config(dict(model=dict(labelenc=dict(encoder=dict(type='MyEncoder')))))
    with pytest.raises(ValueError, match='labelenc.encoder of type MyEncoder has no plain form'):
        plain_config(config)


def test_registries_know_nothing_of_benchmarks():
    """Not after a plain form was built and trained on the CPU in bfloat16 either."""
    config = Config(
        dict(
            model=dict(
                small_model_config(),
                type='LabelEncRetinaNet',
                labelenc=dict(stage='supervise', encoder=dict(SMALL_ENCODER)),
            ),
            train_cfg=dict(max_epochs=12),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        )
    )
    workload = Workload((64, 96), num_objects=2, num_present=2)
    step = build_train_step(find_task(config), plain_config(config), workload, amp='bf16')
    step(step.fresh_batch())
    assert isinstance(step.model.labelenc, PlainLabelEncodingHead)
    registries = {
        id(value): value
        for toolbox in ('mmengine', 'mmdet', 'mmseg')
        if (module := sys.modules.get(f'{toolbox}.registry'))
        for value in vars(module).values()
        if isinstance(value, Registry)
    }
    assert len(registries) > 20
    ours = [
        name
        for registry in registries.values()
        for name, entry in registry.module_dict.items()
        if getattr(entry, '__module__', '').startswith('labelenc_mm.benchmark')
    ]
    assert ours == []
