"""One run whose images begin after the labels: a step 1 of labels alone, and then step 2, in one training."""

import logging

import pytest
import torch
from detection_models import (
    SMALL_ENCODER,
    build,
    data,
    has_gradient,
    small_model_config,
    sum_losses,
    training_at,
)
from mmdet.registry import MODELS
from training_configs import (
    EMA,
    HOOKS,
    ITERATIONS,
    LABELS_FIRST,
    ONE_RUN,
    STEP2,
    WARM_UP,
    write_config,
)
from training_runs import (
    ENCODING,
    EXPORTED,
    differing,
    is_stock,
    shared_data,
    train,
    weights,
    with_prefix,
)

from labelenc_mm.engine.built_models import build_model
from labelenc_mm.handover.artefact import load_tensors

FIRST = dict(image_begin=0.25)
KEEP = "dict(type='KeepWeightsHook')"


@pytest.fixture
def heard(hear):
    return hear('labelenc_mm.detection.one_run_label_encoding_head')


def losses_at(detector, iteration, **kwargs):
    batch = data(detector, **kwargs)
    torch.manual_seed(3)
    detector.zero_grad()
    with training_at(iteration):
        losses = detector.loss(batch['inputs'], batch['data_samples'])
    sum_losses(losses).backward()
    return losses


def gradients(detector):
    return {name: p.grad for name, p in detector.named_parameters() if p.grad is not None}


def as_text(losses):
    return {key: str(value) for key, value in losses.items()}


@pytest.mark.parametrize('share', [0.25, 1.0])
def test_before_the_images_it_is_a_step_1_of_labels_alone(scales, share):
    """Of all labels, whatever the share is later: losses and gradients bit by bit."""
    ours = build('small', 'one-run', label_share=share, **FIRST)
    step1 = build('small', 'autoencode', joint=False)
    ours.load_state_dict(step1.state_dict())
    assert as_text(losses_at(ours, 299)) == as_text(losses_at(step1, 299))
    left, right = map(gradients, (ours, step1))
    assert left.keys() == right.keys() and differing(left, right) == []
    assert {name.split('.')[0] for name in left} == {'bbox_head', 'labelenc'}
    assert not has_gradient(ours.labelenc.adapter)


def test_before_the_images_none_is_looked_at(monkeypatch):
    detector = build('small', 'one-run', **FIRST)
    called = []
    for module in (detector.backbone, detector.neck, detector.labelenc.adapter):
        module.register_forward_hook(lambda *args: called.append(args))
    losses_at(detector, 299)
    assert called == []
    losses_at(detector, 300)
    assert called != []


def test_from_the_images_on_it_is_step_2_bit_by_bit():
    """Supervised by what the labels have left, on all images, with a neck that starts from the pyramid."""
    ours = build('small', 'one-run', compare_all=True, **FIRST)
    losses_at(ours, 299)
    step2 = build('small', 'supervise')
    losses = losses_at(ours, 300)
    step2.load_state_dict(ours.state_dict())
    expected = losses_at(step2, 300)
    assert as_text(losses) == as_text(expected)
    assert not any(key.startswith('ae_') for key in losses)
    left, right = map(gradients, (ours, step2))
    assert left.keys() == right.keys() and differing(left, right) == []
    assert not has_gradient(ours.labelenc.encoder) and has_gradient(ours.labelenc.adapter)
    assert 'loss_labelenc' not in losses_at(ours, 1199)  # nor has step 2 in its last epoch


@pytest.mark.parametrize('share', [0.5, 1.0])
def test_the_share_is_compared(share):
    head = build('small', 'one-run', label_share=share, **FIRST).labelenc
    for iteration, learned, compared in ((299, 2, 0), (300, 0, 2 * share)):
        with training_at(iteration):
            drawn = head.share_images(2)
        assert list(map(len, drawn)) == [learned, compared]


def test_the_neck_starts_from_the_pyramid_once():
    detector = build('small', 'one-run', **FIRST)
    pyramid = {k: v.clone() for k, v in detector.labelenc.pyramid.state_dict().items()}
    fresh = {k: v.clone() for k, v in detector.neck.state_dict().items()}
    losses_at(detector, 299)
    assert differing(detector.neck.state_dict(), fresh) == []
    losses_at(detector, 300)
    taken = detector.neck.state_dict()
    fitting = {k for k, v in fresh.items() if pyramid[k].shape == v.shape}
    assert fitting and fitting != set(fresh)  # the encoder is wider than this backbone
    for key, value in taken.items():
        assert torch.equal(value, (pyramid if key in fitting else fresh)[key]), key
    with torch.no_grad():
        for parameter in detector.neck.parameters():
            parameter.zero_()
    losses_at(detector, 301)
    assert not any(bool(p.any()) for p in detector.neck.parameters())


@pytest.mark.parametrize(
    ('alike', 'objects', 'is_told'),
    [(True, (2, 1), True), (False, (2, 1), False), (True, (2, 0), False)],
)
def test_labels_that_have_taught_nothing_are_told_once(heard, alike, objects, is_told):
    """Label features of images with objects are the same; one without has always the same ones."""
    detector = build('small', 'one-run', **FIRST)
    head = detector.labelenc
    encoded = head.targets

    def targets(batch_inputs, data_samples):
        levels = encoded(batch_inputs, data_samples)
        return [torch.ones_like(x) if alike else torch.randn_like(x) for x in levels]

    head.targets = targets
    losses_at(detector, 300, num_items=objects)
    losses_at(detector, 301, num_items=objects)
    assert len(heard) == is_told
    for level, message in heard:
        assert level == logging.WARNING
        assert 'label features of different images correlate at 1.000' in message


def test_the_label_branch_may_go_on_beside_the_images():
    detector = build('small', 'one-run', label_share=0.5, label_end=0.5, **FIRST)
    for iteration, learns in ((599, True), (600, False)):
        losses = losses_at(detector, iteration)
        assert {'loss_cls', 'loss_bbox', 'loss_labelenc'} <= losses.keys()
        assert any(key.startswith('ae_') for key in losses) == learns
        assert has_gradient(detector.labelenc.encoder) == learns


def test_the_distance_does_not_begin_before_the_images():
    detector = build('small', 'one-run', distance_begin=0, compare_all=True, **FIRST)
    assert 'loss_labelenc' not in losses_at(detector, 0)
    assert 'loss_labelenc' in losses_at(detector, 300)


@pytest.mark.parametrize(('begin', 'iteration'), [(0.5, 600), (3, 300), (-3, 900)])
def test_the_images_begin_at_a_share_or_an_epoch(begin, iteration):
    detector = build('small', 'one-run', image_begin=begin, compare_all=True)
    assert not any(
        key in losses_at(detector, iteration - 1) for key in ('loss_cls', 'loss_labelenc')
    )
    losses = losses_at(detector, iteration)
    assert {'loss_cls', 'loss_labelenc'} <= losses.keys()
    assert not any(key.startswith('ae_') for key in losses)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(image_begin=12), r'labelenc\.image_begin=12 is not before the end of the training'),
        (
            dict(image_begin=0.5, label_end=0.25),
            r'labelenc\.image_begin=0\.5 is not before labelenc\.label_end=0\.25',
        ),
    ],
)
def test_phases_that_cannot_be_are_refused_at_the_start(options, message):
    detector = build('small', 'one-run', **options)
    batch = data(detector)
    with training_at(0), pytest.raises(ValueError, match=message):
        detector.loss(batch['inputs'], batch['data_samples'])


def test_what_is_no_limit_is_named():
    with pytest.raises(ValueError, match=r'labelenc\.image_begin=1\.5 is a float'):
        build('small', 'one-run', image_begin=1.5)


def test_by_default_a_fifth_is_of_labels_alone_and_all_images_are_compared():
    model = small_model_config()
    model.update(type='LabelEncRetinaNet', labelenc=dict(stage='one-run', encoder=SMALL_ENCODER))
    head = build_model(model, MODELS, 'mmdet').labelenc
    for iteration, sees_images, drawn in ((239, False, ([0, 1], [])), (240, True, ([], [0, 1]))):
        with training_at(iteration):
            assert head.sees_images() == head.is_distance_active() == sees_images
            assert tuple(map(sorted, head.share_images(2))) == drawn


def test_switched_off_the_images_begin_at_once():
    detector = build('small', 'one-run', label_share=0, **FIRST)
    losses = losses_at(detector, 0)
    assert set(losses) == {'loss_cls', 'loss_bbox'}
    assert not detector.labelenc.has_distance


def test_the_start_alone_is_the_initialisation_without_supervision():
    detector = build('small', 'one-run', loss_weight=0, **FIRST)
    assert any(key.startswith('ae_') for key in losses_at(detector, 299))
    assert set(losses_at(detector, 300)) == {'loss_cls', 'loss_bbox'}


def rates(run):
    return [entry['lr'] for entry in run.scalars() if 'lr' in entry]


def test_a_training_warms_up_again_and_leaves_what_both_steps_leave(tmp_path):
    parts = (ONE_RUN, LABELS_FIRST, WARM_UP, HOOKS)
    config = write_config(tmp_path / 'c.py', shared_data(), *parts, hooks=KEEP)
    run = train(config, tmp_path / 'run')
    # Two iterations an epoch; the images begin with the third. The log shows the rates of the schedule.
    assert rates(run) == pytest.approx([0.0002] + [0.002] * 5 + [0.0002] * 2)
    assert 'The warm-up runs again in iterations 2 to 4' in run.output
    # None is repeated when its time is over: of labels with the first epoch, the distance in the last.
    losses = [{key for key in entry if 'loss' in key} for entry in run.scalars() if 'lr' in entry]
    alone, stock = {'ae_loss_cls', 'ae_loss_bbox'}, {'loss_cls', 'loss_bbox'}
    assert losses == [
        {'loss', *names} for names in [alone] * 2 + [stock | {'loss_labelenc'}] * 4 + [stock] * 2
    ]
    exported = weights(run.work_dir / EXPORTED)
    assert exported and all(map(is_stock, exported))
    last = weights(run.work_dir / 'epoch_4.pth')
    handed, _ = load_tensors(run.work_dir / ENCODING)
    encoder = with_prefix(last, 'labelenc.encoder.', 'encoder.')
    assert encoder and differing(encoder, {k: handed[k] for k in encoder}) == []
    # Backbone and neck have learned in what was left of the training.
    first = weights(run.work_dir / 'first_rank0.pth')
    moved = differing(first, last)
    for part in ('backbone.', 'neck.', 'labelenc.encoder.', 'labelenc.adapter.'):
        assert any(key.startswith(part) for key in moved), part


def test_averaged_weights_begin_with_the_images_as_the_detector_does(tmp_path):
    """At a momentum that hardly follows: else their neck would be the one that was initialised."""
    hooks = EMA.format(buffers=False).replace('0.3', '1e-6')
    config = write_config(
        tmp_path / 'c.py', shared_data(), ONE_RUN, LABELS_FIRST, HOOKS, hooks=hooks
    )
    run = train(config, tmp_path / 'run', 'train_cfg.val_interval=9')
    averaged = weights(run.work_dir / 'epoch_4.pth')
    neck = with_prefix(averaged, 'neck.')
    pyramid = with_prefix(averaged, 'labelenc.pyramid.')
    fitting = [key for key, value in neck.items() if pyramid[key].shape == value.shape]
    assert fitting and all(torch.allclose(neck[key], pyramid[key], atol=1e-4) for key in fitting)


def test_image_files_may_stay_closed_until_the_images_begin(tmp_path):
    """As the guide has it, and with another pipeline in the meantime: the same training, bit by bit."""
    blank = """
train_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadBlankImage'), *_base_.train_pipeline[1:]]))
custom_hooks = [
    dict(type='PipelineSwitchHook', switch_epoch={begin}, switch_pipeline=_base_.train_pipeline)
]
"""
    parts = (ONE_RUN, LABELS_FIRST)
    plain = train(write_config(tmp_path / 'c.py', shared_data(), *parts), tmp_path / 'plain')
    trained = weights(plain.work_dir / 'epoch_4.pth')
    for begin, is_same in ((1, True), (2, False)):  # the images begin after the first epoch
        config = write_config(tmp_path / f'{begin}.py', shared_data(), *parts, blank, begin=begin)
        run = train(config, tmp_path / f'run{begin}')
        assert (differing(weights(run.work_dir / 'epoch_4.pth'), trained) == []) == is_same


def test_step_2_does_not_start_from_a_checkpoint_of_one_run(tmp_path):
    """It would bring backbone, neck and adapter along."""
    config = write_config(tmp_path / 'c.py', shared_data(), ONE_RUN, LABELS_FIRST)
    run = train(config, tmp_path / 'run')
    step2 = write_config(tmp_path / 's.py', shared_data(), STEP2, step1=run.work_dir / ENCODING)
    path = run.work_dir / 'epoch_4.pth'
    refused = train(step2, tmp_path / 'step2', f'load_from={path}', expect=1)
    assert 'Leave load_from out: what step 2 takes over is in labelenc.init_from' in refused.output


def test_by_iterations_it_begins_in_the_middle_of_what_is_one_epoch(tmp_path):
    parts = (ONE_RUN, ITERATIONS, LABELS_FIRST.replace('=1', '=4, distance_by_epoch=False'))
    run = train(write_config(tmp_path / 'c.py', shared_data(), *parts), tmp_path / 'run')
    entries = [entry for entry in run.scalars() if 'lr' in entry]
    assert ['loss_cls' in entry for entry in entries] == [False] * 4 + [True] * 5


def test_a_detector_that_was_loaded_keeps_its_neck(tmp_path):
    stock = train(
        write_config(tmp_path / 'stock.py', shared_data()),
        tmp_path / 'stock',
        'train_cfg.max_epochs=1',
    )
    path = stock.work_dir / 'epoch_1.pth'
    config = write_config(tmp_path / 'c.py', shared_data(), ONE_RUN, LABELS_FIRST)
    # The learning rate is 0 from the second epoch on, when the images have begun.
    still = ('param_scheduler.0.milestones=[1]', 'param_scheduler.0.gamma=0.0')
    run = train(config, tmp_path / 'run', f'load_from={path}', *still)
    necks = (
        {k: v for k, v in weights(p).items() if k.startswith('neck.')}
        for p in (path, run.work_dir / 'epoch_4.pth')
    )
    assert differing(*necks) == []
