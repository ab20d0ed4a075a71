"""The hook refuses, before anything is trained, what would train something else."""

from types import SimpleNamespace

import pytest
from detection_models import (
    build,
    data,
    has_gradient,
    small_model_config,
    stock_model_config,
    sum_losses,
    training_at,
)
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing

from labelenc_mm.detection import LabelEncHook


def start(model, **options):
    dataloader = SimpleNamespace(dataset=SimpleNamespace())
    runner = SimpleNamespace(
        model=model,
        cfg=Config(options),
        train_dataloader=dataloader,
        optim_wrapper=SimpleNamespace(clip_grad_kwargs=None),
        param_schedulers=None,
        max_iters=1200,
        max_epochs=12,
        _resume=False,
        _load_from=None,
    )
    LabelEncHook().before_train(runner)


def test_a_detector_without_label_encoding_is_named():
    init_default_scope('mmdet')
    with pytest.raises(ValueError, match=r'the model is a RetinaNet, which has no label encoding'):
        start(MODELS.build(small_model_config()))


def faster_rcnn(norm, stage, **options):
    model = stock_model_config('FasterRCNN')
    head = dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=32, fc_out_channels=32)
    model.roi_head.bbox_head.update(head, norm_cfg=norm)
    return build('FasterRCNN', stage, model, **options)


BN, GN = dict(type='BN'), dict(type='GN', num_groups=8)


@pytest.mark.parametrize(
    'norm, stage, names',
    [
        (BN, 'supervise', ['roi_head.bbox_head']),  # nothing but images passes the head
        (GN, 'autoencode', ['roi_head.bbox_head']),
        (BN, 'autoencode', 'backbone.layer2'),
        (BN, 'autoencode', None),
    ],
)
def test_checkpointing_of_activations_outside_of_running_statistics(norm, stage, names):
    start(faster_rcnn(norm, stage), activation_checkpointing=names)


def test_a_head_at_rest_is_not_run_twice():
    """The second run is after the pass of label features, when the head learns again."""
    with pytest.raises(ValueError, match=r"'roi_head.bbox_head': in one run the head is at rest"):
        start(faster_rcnn(GN, 'one-run'), activation_checkpointing=['roi_head.bbox_head'])
    detector = faster_rcnn(GN, 'one-run')
    detector.roi_head.bbox_head.with_cp = True
    with pytest.raises(ValueError, match=r'with_cp=True of a Shared4Conv1FCBBoxHead in the head'):
        start(detector)
    start(faster_rcnn(GN, 'one-run'), activation_checkpointing=['backbone.layer2'])
    detector.labelenc.labels_train_head = True
    start(detector, activation_checkpointing=['roi_head.bbox_head'])


def test_a_head_that_labels_and_images_pass_in_turn_may_be_run_twice():
    first = dict(image_begin=0.25)
    start(faster_rcnn(BN, 'one-run', **first), activation_checkpointing=['roi_head.bbox_head'])
    with pytest.raises(ValueError, match='in one run the head is at rest'):
        start(
            faster_rcnn(BN, 'one-run', label_end=0.5, **first),
            activation_checkpointing=['roi_head.bbox_head'],
        )


@pytest.mark.parametrize('stage', ['autoencode', 'supervise'])
@pytest.mark.parametrize('name', ['backbone', 'neck', 'bbox_head'])
def test_parts_that_would_not_be_trained_are_not_run_twice(name, stage):
    detector = build('small', 'supervise')
    detector.labelenc.encoder_is_loaded.fill_(1)
    turn_on_activation_checkpointing(detector, name)
    with training_at(600):
        sum_losses(detector(**data(detector), mode='loss')).backward()
    assert not has_gradient(getattr(detector, name))  # this is why
    with pytest.raises(ValueError, match=rf"'{name}': no gradient passes .* backbone.layer1"):
        start(build('small', stage), activation_checkpointing=['backbone.layer1', name])


@pytest.mark.parametrize(
    'names', ['roi_head', ['backbone.layer1', 'roi_head.bbox_head.shared_convs.0']]
)
def test_a_head_with_running_statistics_is_not_run_twice_in_step_1(names):
    with pytest.raises(ValueError, match=r"activation_checkpointing='roi_head.*\(GN\)"):
        start(faster_rcnn(BN, 'autoencode'), activation_checkpointing=names)
