"""One run, labels beside images: which pass, what learns from what, and off is the stock detector."""

import itertools

import pytest
import torch
from detection_models import (
    build,
    data,
    has_gradient,
    small_model_config,
    stock_model_config,
    sum_losses,
    training_at,
)
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from training_configs import ONE_RUN, STEP2, write_config
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

from labelenc_mm.detection import LabelEncMixin
from labelenc_mm.engine import own_random_numbers
from labelenc_mm.engine.built_models import build_model
from labelenc_mm.handover.artefact import load_tensors

PARTS = ('encoder', 'pyramid', 'adapter')


def losses_at(detector, iteration=601, batch=None, **kwargs):
    with training_at(iteration):
        detector.zero_grad()
        batch = data(detector, **kwargs) if batch is None else batch
        losses = detector.loss(batch['inputs'], batch['data_samples'])
        sum_losses(losses).backward()
    return losses


def shares(detector, number, iterations=range(600, 640)):
    drawn = []
    for iteration in iterations:
        with training_at(iteration):
            drawn.append(detector.labelenc.share_images(number))
    return drawn


@pytest.mark.parametrize(
    ('share', 'number', 'counts', 'weight'),
    [
        (0.25, 8, {2}, 1),
        (0.25, 6, {1, 2}, 1),
        (0.25, 2, {0, 1}, 2),
        (0.125, 2, {0, 1}, 4),
        (1.0, 3, {3}, 1),
    ],
)
def test_the_share_is_kept_whatever_the_batch(share, number, counts, weight):
    head = build('small', 'one-run', label_share=share)
    drawn = [learned for learned, _ in shares(head, number)]
    assert {len(images) for images in drawn} == counts
    assert sum(map(len, drawn)) == 40 * share * number
    assert head.labelenc.label_loss_weight == weight
    assert set(itertools.chain(*drawn)) == set(range(number))  # none is left out for good
    assert all(len(set(images)) == len(images) for images in drawn)


def test_the_draw_is_a_function_of_seed_and_iteration_and_draws_none_of_the_detectors_numbers():
    first, second = (build('small', 'one-run', label_share=0.25) for _ in range(2))
    torch.manual_seed(7)
    before = torch.get_rng_state()
    drawn = shares(first, 8)
    assert torch.equal(torch.get_rng_state(), before)
    assert shares(second, 8, range(610, 640)) == drawn[10:]
    torch.manual_seed(8)
    assert shares(first, 8) != drawn


@pytest.mark.parametrize(('share', 'full', 'last'), [(0.25, 2, 1), (0.5, 8, 3), (0.5, 8, 1)])
def test_a_smaller_last_batch_has_images_where_full_ones_have(share, full, last):
    """Losses are averaged over processes, whose last batches may differ in size."""
    head = build('small', 'one-run', label_share=share)
    expected = [learned for learned, _ in shares(head, full)]
    for images, (learned, _) in zip(expected, shares(head, last), strict=True):
        assert len(learned) == min(len(images), last)


@pytest.mark.parametrize('share', [0.125, 0.3, 0.5])
def test_processes_draw_other_images_but_as_many(share, monkeypatch):
    head = build('small', 'one-run', label_share=share, compare_all=True)
    drawn = []
    for rank in (0, 1):
        monkeypatch.setattr(own_random_numbers, 'get_rank', lambda rank=rank: rank)
        drawn.append(shares(head, 6))
    first, second = drawn
    assert [list(map(len, groups)) for groups in first] == [list(map(len, g)) for g in second]
    assert first != second


def test_all_images_and_no_end_are_step_1(scales):
    torch.manual_seed(0)
    step1 = build('small', 'autoencode')
    one_run = build('small', 'one-run', label_share=1.0, labels_train_head=True)
    one_run.load_state_dict(step1.state_dict())
    batch = data(step1)
    expected, got = (
        losses_at(d, batch=dict(batch, data_samples=[s.clone() for s in batch['data_samples']]))
        for d in reseeded(step1, one_run)
    )
    assert {key: str(value) for key, value in got.items()} == {
        key: str(value) for key, value in expected.items()
    }
    for (name, left), right in zip(step1.named_parameters(), one_run.parameters(), strict=True):
        assert torch.equal(left.grad, right.grad), name


def reseeded(*detectors):
    """Each with the same numbers to draw: labels are scaled at random."""
    for detector in detectors:
        torch.manual_seed(3)
        yield detector


def test_label_losses_are_those_of_the_drawn_images_alone(scales):
    detector = build('small', 'one-run', label_share=0.5, loss_weight=0, labels_train_head=True)
    batch = data(detector)
    with training_at(601):
        ((index,), _) = next(reseeded(detector)).labelenc.share_images(2)
    alone = build('small', 'autoencode', loss_weight=0)
    alone.load_state_dict(detector.state_dict())
    one = dict(
        inputs=batch['inputs'][index : index + 1],
        data_samples=[batch['data_samples'][index].clone()],
    )
    (left, right) = (
        losses_at(d, batch=b) for d, b in zip(reseeded(detector, alone), (batch, one), strict=True)
    )
    labels = [key for key in right if key.startswith('ae_')]
    assert labels and [key for key in left if key.startswith('ae_')] == labels
    for key in labels:
        torch.testing.assert_close(left[key], right[key])


def test_factors_of_objects_are_drawn_anew_and_from_none_of_the_detectors_numbers():
    detector = build('small', 'one-run', label_share=1.0)
    head, batch = detector.labelenc, data(detector)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    seen = []
    for iteration in (600, 601, 600):
        with training_at(iteration):
            head.share_images(2)
            head.encode(batch['data_samples'], (128, 128))
            head.share_images(2)
            seen.append([head.draw_scales(5, 'cpu') for _ in range(2)])
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(*seen[0])
    assert not torch.equal(seen[0][0], seen[1][0]) and torch.equal(seen[0][1], seen[2][1])


def test_losses_of_rare_images_count_for_the_iterations_without():
    often = build('small', 'one-run', label_share=0.5)
    rare = build('small', 'one-run', label_share=0.25)
    rare.load_state_dict(often.state_dict())
    # At this iteration both draw one, by the same numbers the same.
    left, right = (losses_at(d) for d in reseeded(often, rare))
    keys = [key for key in left if 'loss' in key and (key.startswith('ae_') or 'labelenc' in key)]
    assert len(keys) == 3
    for key in keys:
        for a, b in zip(
            *(v if isinstance(v, list) else [v] for v in (left[key], right[key])), strict=True
        ):
            torch.testing.assert_close(2 * a, b)
    assert 'loss_labelenc' not in losses_at(rare, 600)


def test_compared_with_all_images_the_others_are_encoded_without_gradient(monkeypatch):
    detector = build('small', 'one-run', label_share=0.5, compare_all=True)
    head, encoded = detector.labelenc, []
    encode = head.encode
    monkeypatch.setattr(
        head, 'encode', lambda *a: (encoded.append(torch.is_grad_enabled()), encode(*a))[1]
    )
    seen = []
    monkeypatch.setattr(
        head, 'distance', lambda a, b: (seen.append(len(b[0])), (a[0].sum(), []))[1]
    )
    losses_at(detector)
    assert encoded == [True, False] and seen == [2]
    encoded.clear()
    losses_at(detector, 0)  # before the distance counts
    assert encoded == [True]


def test_image_and_label_features_of_one_image_are_compared(monkeypatch):
    """Both sides come in the order of the drawn images: learned ones, then the others."""
    detector = build('small', 'one-run', label_share=0.5, compare_all=True)
    batch = data(detector)
    head, seen = detector.labelenc, {}
    monkeypatch.setattr(
        head,
        'encode',
        lambda samples, size: [torch.tensor([[float(len(s.gt_instances))]]) for s in samples][:1],
    )
    monkeypatch.setattr(head, 'loss', lambda a, b: seen.update(images=a, labels=b) or {})
    monkeypatch.setattr(SingleStageDetector, 'loss', lambda *a: {})
    numbers = [float(len(sample.gt_instances)) for sample in batch['data_samples']]
    monkeypatch.setattr(
        detector, 'extract_feat', lambda inputs: [torch.tensor(numbers).view(-1, 1)]
    )
    drawn = set()
    for iteration in range(601, 620):
        with training_at(iteration):
            drawn.add(tuple(head.share_images(2)[0]))
            detector.loss(batch['inputs'], batch['data_samples'])
        assert numbers[0] != numbers[1]
        assert torch.equal(seen['images'][0], seen['labels'][0])
    assert drawn == {(0,), (1,)}


def test_until_detach_ends_the_distance_trains_the_adapter_alone():
    detector = build('small', 'one-run', label_share=1.0, distance_begin=0, detach_end=0.6)
    for iteration, reaches in ((601, False), (900, True)):
        with training_at(iteration):
            batch = data(detector)
            detector.zero_grad()
            losses = detector.loss(batch['inputs'], batch['data_samples'])
            losses['loss_labelenc'].backward()
        assert has_gradient(detector.labelenc.adapter)
        assert has_gradient(detector.backbone) == reaches
        assert not has_gradient(detector.labelenc.encoder)


@pytest.mark.parametrize('compare_all', [False, True])
def test_after_the_end_of_the_label_branch_all_is_as_in_step_2(compare_all):
    """The distance to what the encoder makes of unscaled labels, and nothing else is learned from them."""
    options = dict(label_share=0.5, compare_all=compare_all, label_end=0.6)
    detector = build('small', 'one-run', **options)
    head = detector.labelenc
    assert any(key.startswith('ae_') for key in losses_at(detector, 719))
    batch = data(detector)
    losses = losses_at(detector, 721, batch)
    assert not any(key.startswith('ae_') for key in losses)
    assert [part for part in PARTS if has_gradient(getattr(head, part))] == ['adapter']
    step2 = build('small', 'supervise', init_head=False, init_neck=False)
    step2.load_state_dict(detector.state_dict())
    step2.labelenc.mark_learned()
    with training_at(721):
        learned, compared = head.share_images(2)
    assert not learned and len(compared) == (2 if compare_all else 1)
    chosen = dict(
        inputs=batch['inputs'][compared],
        data_samples=[batch['data_samples'][index] for index in compared],
    )
    expected = losses_at(step2, 721, chosen)
    torch.testing.assert_close(losses['loss_labelenc'], expected['loss_labelenc'])


def moving_statistics(detector):
    """A pyramid that gathers statistics, and what it and the encoder have gathered."""
    head = detector.labelenc
    buffers = {**dict(head.encoder.named_buffers()), **dict(head.pyramid.named_buffers())}
    assert any('running_mean' in key for key in buffers)
    return {key: value.clone() for key, value in buffers.items()}


def test_what_learns_from_no_label_features_gathers_no_statistics_of_them_either():
    """A pyramid with batch normalisation: others of the batch, and after the end of the label branch."""
    model = small_model_config()
    model.neck.update(norm_cfg=dict(type='BN'))
    detector = build('small', 'one-run', model, label_share=0.5, compare_all=True, label_end=0.6)
    before = moving_statistics(detector)
    losses_at(detector, 721)
    assert differing(before, moving_statistics(detector)) == []
    batch, head = data(detector), detector.labelenc
    one = [batch['data_samples'][0]]
    with torch.no_grad():  # as in step 2, one image does not depend on the others
        alone, among = (head.encode(s, (128, 128)) for s in (one, batch['data_samples']))
    torch.testing.assert_close(alone[0], among[0][:1])
    assert differing(before, moving_statistics(detector)) == []
    assert head.pyramid.training and head.encoder.training
    losses_at(detector, 601, sizes=((3, 256, 256),) * 2)  # the coarsest level has several cells
    assert differing(before, moving_statistics(detector)) != []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(label_end=13),
            r'labelenc\.label_end=13 lies outside.*labelenc\.distance_by_epoch',
        ),
        (
            dict(detach_end=0.1),
            r'labelenc\.distance_begin=0\.25 is not before labelenc\.detach_end=0\.1',
        ),
        (dict(detach_end=13), r'labelenc\.detach_end=13 lies outside.*labelenc\.distance_by_epoch'),
        (
            dict(distance_end=0.5, detach_end=0.9),
            r'labelenc\.detach_end=0\.9 is not before labelenc\.distance_end=0\.5',
        ),
    ],
)
def test_a_phase_that_cannot_be_is_refused_at_the_start(options, message):
    detector = build('small', 'one-run', label_share=1.0, **options)
    with training_at(0), pytest.raises(ValueError, match=message):
        batch = data(detector)
        detector.loss(batch['inputs'], batch['data_samples'])


def test_what_learns():
    detector = build('small', 'one-run', label_share=1.0)
    losses_at(detector)
    assert all(has_gradient(getattr(detector.labelenc, part)) for part in PARTS)
    losses_at(detector, 1199)  # the distance has ended
    assert [part for part in PARTS if has_gradient(getattr(detector.labelenc, part))] == [
        'encoder',
        'pyramid',
    ]


@pytest.mark.parametrize('labelenc', [dict(label_share=0), dict(stage='supervise')])
@pytest.mark.parametrize(
    'name',
    [
        'RetinaNet',
        'FasterRCNN',
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                'FCOS',
                'ATSS',
                'MaskRCNN',
                'RTMDet',
                'DeformableDETR',
                'CascadeRCNN',
                'TOOD',
                'YOLOX',
            )
        ),
    ],
)
def test_switched_off_it_is_the_stock_detector_bit_by_bit(name, labelenc):
    """Losses and weights of three iterations, from the same seed on."""
    if 'stage' in labelenc:
        labelenc = dict(labelenc, loss_weight=0, init_head=False, init_neck=False)
    expected, stock = trained(name, None)
    losses, ours = trained(name, {'stage': 'one-run', **labelenc})
    assert losses == expected
    assert set(stock) == {key for key in ours if not key.startswith('labelenc.')}
    assert all(torch.equal(value, ours[key]) for key, value in stock.items())


def test_distillation_switched_off_waits_for_no_teacher_and_is_the_stock_detector_bit_by_bit():
    expected, stock = trained('RetinaNet', None)
    teacher = stock_model_config('RetinaNet')
    off = dict(type='FeatureDistillationHead', teacher=teacher, loss_weight=0)
    losses, ours = trained('RetinaNet', off)
    assert losses == expected
    assert all(torch.equal(value, ours[key]) for key, value in stock.items())


@pytest.mark.parametrize(
    'name',
    [
        'RetinaNet',
        'FasterRCNN',
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ('FCOS', 'ATSS', 'RTMDet', 'MaskRCNN', 'DeformableDETR')
        ),
    ],
)
def test_a_head_at_rest_learns_nothing_from_labels_while_the_encoder_does(name):
    """Without the distance the detector is the stock one bit by bit, beside a label branch that learns."""
    expected, stock = trained(name, None)
    form = dict(stage='one-run', image_begin=None, label_share=1.0, distance_begin=0.9)
    losses, ours = trained(name, form)
    assert all(torch.equal(value, ours[key]) for key, value in stock.items())
    for iteration, of_stock in zip(losses, expected, strict=True):
        assert {key: iteration[key] for key in of_stock if key != 'loss'} == {
            key: value for key, value in of_stock.items() if key != 'loss'
        }
        assert all(f'ae_{key}' in iteration for key in of_stock if key != 'loss')
    _, untrained = trained(name, form, learns=False)
    moved = [key for key in differing(ours, untrained) if key.startswith('labelenc.')]
    assert {key.split('.')[1] for key in moved} == {'encoder', 'pyramid'}


@pytest.mark.parametrize(
    'name',
    [
        'FasterRCNN',
        *(pytest.param(n, marks=pytest.mark.slow) for n in ('MaskRCNN', 'DeformableDETR')),
    ],
)
def test_losses_of_labels_do_not_reach_a_head_at_rest(name):
    model = stock_model_config(name)
    form = dict(stage='one-run', image_begin=None, label_share=1.0)
    model.update(type=f'LabelEnc{model.type}', labelenc=form)
    detector = build_model(model, MODELS, 'mmdet').train()
    detector.init_weights()
    batch = demo_mm_inputs(
        2, [[3, 96, 96]] * 2, num_items=[2, 1], num_classes=8, with_mask='mask' in name.lower()
    )
    with training_at(600):
        losses = detector(**detector.data_preprocessor(batch, True), mode='loss')
    sum_losses({k: v for k, v in losses.items() if k.startswith('ae_')}).backward()
    reached = {
        key.rsplit('.', 2)[0] for key, p in detector.named_parameters() if p.grad is not None
    }
    assert reached and all(
        key.startswith(('labelenc.encoder', 'labelenc.pyramid')) for key in reached
    )


def test_a_head_at_rest_learns_from_images_as_before():
    detector = build('small', 'one-run', label_share=1.0)
    frozen = next(detector.bbox_head.parameters()).requires_grad_(False)
    losses_at(detector)
    learning = [p for p in detector.bbox_head.parameters() if p.requires_grad]
    assert learning and all(p.grad is not None for p in learning)
    assert not frozen.requires_grad and frozen.grad is None


def trained(name, labelenc, learns=True):
    """Losses and weights of a detector, stock or label-encoded, after three iterations, or before."""
    model = stock_model_config(name)
    if labelenc is not None:
        model.update(type=f'LabelEnc{model.type}', labelenc=labelenc)
    torch.manual_seed(0)
    detector = build_model(model, MODELS, 'mmdet')
    detector.init_weights()
    losses = three_iterations(detector, 'mask' in name.lower()) if learns else []
    return losses, detector.state_dict()


def three_iterations(detector, with_mask):
    detector.train()
    optimizer = torch.optim.SGD(detector.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
    losses = []
    for iteration in range(3):
        batch = demo_mm_inputs(
            2, [[3, 96, 96]] * 2, num_items=[2, 1], num_classes=8, with_mask=with_mask
        )
        with training_at(600 + iteration):
            loss, logged = detector.parse_losses(
                detector(**detector.data_preprocessor(batch, True), mode='loss')
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append({key: float(value) for key, value in logged.items()})
    return losses


def test_a_label_branch_that_nothing_comes_of_is_refused():
    with pytest.raises(ValueError, match=r'loss_weight=0 leaves nothing .*label_share=0'):
        build('small', 'one-run', loss_weight=0)
    build('small', 'one-run', loss_weight=0, label_share=0)


@pytest.mark.parametrize('weight', [0, -1.0])
def test_losses_that_alone_train_the_encoder_have_a_weight(weight):
    with pytest.raises(ValueError, match=r'label_loss_weight=.* must be positive'):
        build('small', 'one-run', label_loss_weight=weight)


def test_a_share_is_one():
    with pytest.raises(ValueError, match=r'label_share=1\.5 is no share'):
        build('small', 'one-run', label_share=1.5)


@pytest.mark.parametrize(
    ('stage', 'option'),
    [
        ('one-run', dict(init_from='file')),
        ('one-run', dict(joint=False)),
        ('one-run', dict(random_encoder=True)),
        ('autoencode', dict(encoder_from='file')),
        ('autoencode', dict(label_share=0.5)),
        ('autoencode', dict(label_end=0.5)),
        ('supervise', dict(compare_all=True)),
        ('autoencode', dict(labels_train_head=False)),
        ('supervise', dict(labels_train_head=True)),
    ],
)
def test_options_of_other_stages_are_refused(stage, option):
    with pytest.raises(ValueError, match="belongs to stage='"):
        build('small', stage, **option)


def test_a_training_leaves_the_stock_detector_and_an_encoding_for_step_2(tmp_path):
    run = train(write_config(tmp_path / 'one.py', shared_data(), ONE_RUN), tmp_path / 'one')
    exported = weights(run.work_dir / EXPORTED)
    assert exported and all(map(is_stock, exported))
    assert 'coco/reconstruction_bbox_mAP' in run.metrics()
    step2 = write_config(tmp_path / 'two.py', shared_data(), STEP2, step1=run.work_dir / ENCODING)
    frozen = weights(train(step2, tmp_path / 'two').work_dir / 'epoch_4.pth')
    tensors, metadata = load_tensors(run.work_dir / ENCODING)
    assert metadata['detector'] == 'RetinaNet'
    encoder = with_prefix(frozen, 'labelenc.encoder.', 'encoder.')
    assert differing(encoder, {k: v for k, v in tensors.items() if k.startswith('encoder.')}) == []


def test_a_switched_off_method_brings_nothing_along():
    off = dict(labelenc=dict(stage='one-run', label_share=0))
    assert LabelEncMixin.companions_of(off).keys() == {'default_hooks'}
    head = build('small', 'one-run', label_share=0).labelenc
    assert not head.draws_labels and not any(p.requires_grad for p in head.parameters())


def test_labels_are_shuffled_among_two_images_at_least():
    detector = build('small', 'one-run', label_share=0.25, shuffle_labels=True)
    with training_at(0), pytest.raises(ValueError, match='set labelenc.compare_all=True'):
        detector.loss(*data(detector).values())


@pytest.mark.gpu
def test_random_numbers_of_a_gpu_are_left_alone():
    torch.cuda.manual_seed(3)
    before = torch.cuda.get_rng_state()
    head = build('small', 'one-run').labelenc
    assert torch.equal(torch.cuda.get_rng_state(), before)
    # As mmengine initialises: where the model is, which it has moved before.
    first, second = (
        {key: value.clone() for key, value in initialised(head.cuda()).items()} for _ in range(2)
    )
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert all(torch.equal(first[key], second[key]) for key in first)


def initialised(head):
    head._is_init = False
    head.init_weights()
    return head.state_dict()


def test_a_switched_off_training_is_resumed(tmp_path):
    off = 'model.labelenc.label_share=0'
    config = write_config(tmp_path / 'off.py', shared_data(), ONE_RUN)
    train(config, tmp_path / 'run', off, 'train_cfg.max_epochs=2')
    resumed = train(config, tmp_path / 'run', off, resume=True)
    assert (
        'epoch_2.pth' in resumed.output and 'coco/reconstruction_bbox_mAP' not in resumed.metrics()
    )
    assert not (tmp_path / 'run' / ENCODING).exists() and (tmp_path / 'run' / EXPORTED).exists()
