"""A trained teacher in place of the label encoder (LabelEnc, Table 6)."""

import pytest
import torch
from detection_models import build, data, has_gradient, small_model_config, training_at
from hostile_pickles import RunsCode
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from mmengine.registry import init_default_scope
from training_configs import HOOKS, write_config
from training_runs import (
    ENCODING,
    EXPORTED,
    active_per_epoch,
    differing,
    interrupt_and_resume,
    is_stock,
    shared_data,
    shared_folder,
    shared_step1,
    train,
    weights,
    with_prefix,
)

from labelenc_mm.detection.feature_distillation_head import teacher_model
from labelenc_mm.networks import feature_distance
from labelenc_mm.toolbox.safe_loading import CheckpointError

TYPE = 'FeatureDistillationHead'


def teacher_config(**backbone):
    """Another backbone than the student's, whose own pretrained weights must not be asked for."""
    model = small_model_config()
    pretrained = dict(type='Pretrained', checkpoint='no/such/file.pth')
    model.backbone.update(depth=34, init_cfg=pretrained, **backbone)
    return model


@pytest.fixture
def teacher():
    init_default_scope('mmdet')
    model = teacher_config()
    model.backbone.init_cfg = None
    torch.manual_seed(5)
    detector = MODELS.build(model)
    detector.init_weights()
    return detector.eval()


@pytest.fixture
def path(teacher, tmp_path):
    path = tmp_path / 'teacher.pth'
    torch.save(dict(meta=dict(epoch=12), state_dict=teacher.state_dict()), path)
    return str(path)


def student(path, teacher=None, model=None, **options):
    # `build` marks the weights of a step 2 as loaded; `stage` and `encoder` are no options here.
    init_default_scope('mmdet')
    model = model or small_model_config()
    options = dict(type=TYPE, teacher=teacher or teacher_config(), init_from=path, **options)
    model.update(type='LabelEncRetinaNet', labelenc=options)
    return MODELS.build(model).train()


def test_targets_are_the_stock_teachers_features_and_nothing_of_it_moves(path, teacher):
    detector = student(path)
    detector.init_weights()
    before = {k: v.clone() for k, v in detector.labelenc.teacher.state_dict().items()}
    stock = {k: v for k, v in teacher.state_dict().items() if k.startswith(('backbone.', 'neck.'))}
    assert differing(before, stock) == []
    batch = data(build('small'))
    optimizer = torch.optim.SGD(detector.parameters(), 0.01, momentum=0.9, weight_decay=0.1)
    with training_at(600):
        losses = detector(**batch, mode='loss')
    features = detector.train().extract_feat(batch['inputs'])
    adapted = detector.labelenc.adapter(features)
    expected, _ = feature_distance(adapted, teacher.extract_feat(batch['inputs']))
    assert torch.equal(losses['loss_labelenc'], expected)
    assert not any(key.startswith('ae_') for key in losses)
    loss, _ = detector.parse_losses(losses)
    loss.backward()
    optimizer.step()
    assert not detector.labelenc.teacher.training
    assert not any(p.requires_grad for p in detector.labelenc.teacher.parameters())
    assert not any(module.training for module in detector.labelenc.teacher.modules())
    assert differing(detector.labelenc.teacher.state_dict(), before) == []


def test_another_adapter_may_be_named(path):
    class Pointwise(BaseModule):
        def __init__(self, channels):
            super().__init__()
            self.layer = torch.nn.Conv2d(channels, channels, 1)

        def forward(self, features):
            return tuple(map(self.layer, features))

    detector = student(path, adapter=dict(type=Pointwise))
    detector.init_weights()
    assert isinstance(detector.labelenc.adapter, Pointwise)
    with training_at(600):
        losses = detector(**data(build('small')), mode='loss')
    losses['loss_labelenc'].backward()
    assert has_gradient(detector.labelenc.adapter)


def test_gradients_reach_adapter_neck_and_backbone_not_the_head(path):
    detector = student(path)
    detector.init_weights()
    with training_at(600):
        losses = detector(**data(build('small')), mode='loss')
    losses['loss_labelenc'].backward()
    assert has_gradient(detector.labelenc.adapter)
    assert has_gradient(detector.neck) and has_gradient(detector.backbone)
    assert not has_gradient(detector.bbox_head) and not has_gradient(detector.labelenc.teacher)


@pytest.mark.parametrize(
    'options, iteration, is_active',
    [
        ({}, 0, True),
        ({}, 1099, True),
        ({}, 1100, False),
        (dict(distance_by_epoch=False), 1066, True),
        (dict(distance_by_epoch=False), 1067, False),
        (dict(distance_begin=2), 199, False),
        (dict(distance_begin=2), 200, True),
        (dict(loss_weight=0), 600, False),
    ],
)
def test_schedule_is_that_of_step_2_and_a_resting_teacher_costs_nothing(
    options, iteration, is_active, path
):
    detector = student(path, **options)
    detector.init_weights()
    calls = []
    for part in (detector.labelenc.teacher, detector.labelenc.adapter):
        part.register_forward_hook(lambda *args: calls.append(args))
    with training_at(iteration):
        losses = detector(**data(build('small')), mode='loss')
    assert ('loss_labelenc' in losses) == is_active
    assert len(calls) == (2 if is_active else 0)


def test_building_reads_no_file_and_untrained_teachers_are_refused(tmp_path):
    detector = student(str(tmp_path / 'gone.pth'))
    with training_at(0), pytest.raises(RuntimeError, match='set init_from'):
        detector(**data(build('small')), mode='loss')
    with pytest.raises(FileNotFoundError, match=r'gone\.pth'):
        detector.init_weights()


def test_a_checkpoint_that_does_not_fit_is_refused_with_a_list(path, teacher, tmp_path):
    state = teacher.state_dict()
    state.pop('neck.fpn_convs.0.conv.bias')
    state['backbone.conv1.weight'] = torch.zeros(2, 3, 7, 7)
    state['backbone.layer9.weight'] = torch.zeros(1)
    state['bbox_head.other.weight'] = torch.zeros(1)  # the head is not used
    torch.save(state, tmp_path / 'other.pth')
    detector = student(str(tmp_path / 'other.pth'))
    with pytest.raises(CheckpointError) as error:
        detector.init_weights()
    text = str(error.value)
    assert 'other.pth does not fit' in text and 'bbox_head' not in text
    for name in ('neck.fpn_convs.0.conv.bias', 'backbone.conv1.weight', 'backbone.layer9.weight'):
        assert name in text


def test_a_hostile_checkpoint_does_not_execute(tmp_path):
    marker = tmp_path / 'marker'
    torch.save({'state_dict': {}, 'x': RunsCode(f'touch {marker}')}, tmp_path / 'hostile.pth')
    with pytest.raises(CheckpointError, match=r'hostile\.pth was refused'):
        student(str(tmp_path / 'hostile.pth')).init_weights()
    assert not marker.exists()


def without(model, key):
    model.pop(key)
    return model


def changed(model, key, **values):
    model[key].update(values)
    return model


@pytest.mark.parametrize(
    'make, message',
    [
        (
            lambda: changed(teacher_config(), 'neck', out_channels=24),
            r"student's neck has 16 channels, the teacher's 24",
        ),
        (lambda: without(teacher_config(), 'neck'), 'the teacher has no neck'),
        (lambda: without(teacher_config(), 'data_preprocessor'), 'has no data_preprocessor'),
        (
            lambda: changed(teacher_config(), 'data_preprocessor', mean=[103.53, 116.28, 123.675]),
            r'normalise images differently: the teacher has .*103\.53',
        ),
        (
            lambda: changed(teacher_config(), 'data_preprocessor', bgr_to_rgb=False),
            r'normalise images differently.*model\.data_preprocessor',
        ),
    ],
)
def test_unfit_teachers_are_refused_when_the_model_is_built(make, message):
    with pytest.raises(ValueError, match=message):
        student(None, teacher=make())


def test_padding_and_its_divisor_are_no_difference():
    model = changed(teacher_config(), 'data_preprocessor', pad_size_divisor=1)
    assert student(None, teacher=model).labelenc.teacher is not None


def test_other_levels_are_named_at_the_first_iteration(tmp_path):
    model = teacher_config()
    model.backbone.init_cfg = None
    model.neck.update(start_level=0, num_outs=5)
    init_default_scope('mmdet')
    torch.save(MODELS.build(model).state_dict(), tmp_path / 'p2.pth')
    detector = student(str(tmp_path / 'p2.pth'), teacher=model)
    detector.init_weights()
    with training_at(0), pytest.raises(ValueError, match='same levels as the student'):
        detector(**data(build('small')), mode='loss')


def test_teachers_are_found_by_the_name_of_a_toolbox_config_or_a_path(tmp_path, monkeypatch):
    model = teacher_model('mmdet::retinanet/retinanet_r101_fpn_1x_coco.py')
    assert (model.backbone.depth, model.neck.type) == (101, 'FPN')
    (tmp_path / 'own.py').write_text("model = dict(backbone=dict(depth=5), neck=dict(type='N'))")
    monkeypatch.chdir(tmp_path)
    assert teacher_model('own.py').backbone.depth == 5
    with pytest.raises(FileNotFoundError, match=r'^teacher=gone\.py: no such config'):
        teacher_model('gone.py')


def test_an_unknown_type_of_supervision_is_named():
    model = small_model_config()
    model.update(type='LabelEncRetinaNet', labelenc=dict(type='Distillation'))
    with pytest.raises(TypeError, match=r"labelenc\.type='Distillation' is no subclass"):
        MODELS.build(model)


def test_by_channel_each_has_mean_0_and_variance_1_over_images_and_positions(path, teacher):
    """PKD's standardisation: the mean squared error of both sides after that."""
    detector = student(path, standardize='channel')
    detector.init_weights()
    batch = data(build('small'))
    with training_at(600):
        losses = detector(**batch, mode='loss')
    ours = detector.labelenc.adapter(detector.train().extract_feat(batch['inputs']))
    theirs = teacher.extract_feat(batch['inputs'])
    norm = torch.nn.BatchNorm2d(16, affine=False)
    squares = [(norm(a) - norm(b)).square().flatten() for a, b in zip(ours, theirs, strict=True)]
    torch.testing.assert_close(losses['loss_labelenc'], torch.cat(squares).mean())
    with pytest.raises(ValueError, match="must be 'image' or 'channel', got 'pixel'"):
        student(path, standardize='pixel')


BOTH = dict(teacher=teacher_config(), standardize='channel', loss_weight=0.5, distance_end=0.75)


@pytest.mark.parametrize('stage', ['autoencode', 'supervise', 'one-run'])
def test_labels_and_a_teacher_supervise_one_detector(stage, path):
    """Each by the losses that it has alone."""
    both = build('small', stage, distillation=dict(BOTH, init_from=path))
    both.init_weights()
    labels = build('small', stage)
    distilled = student(path, **{k: v for k, v in BOTH.items() if k != 'teacher'})
    state = both.state_dict()
    labels.load_state_dict({k: v for k, v in state.items() if '.distillation.' not in k})
    distilled.load_state_dict(
        {
            k.replace('.distillation.', '.'): v
            for k, v in state.items()
            if is_stock(k) or '.distillation.' in k
        }
    )
    losses = []
    for detector in (both, labels, distilled):
        torch.manual_seed(3)
        with training_at(600):
            losses.append(detector(**data(both), mode='loss'))
    got, of_labels, of_teacher = losses
    names = {
        key: key.replace('labelenc', 'distillation') for key in of_teacher if 'labelenc' in key
    }
    assert got.keys() == of_labels.keys() | names.values()
    assert all(str(got[key]) == str(value) for key, value in of_labels.items())
    assert all(torch.equal(got[name], of_teacher[key]) for key, name in names.items())
    got['loss_distillation'].backward()
    teacher = both.labelenc.distillation
    assert has_gradient(teacher.adapter) and has_gradient(both.backbone)
    assert not has_gradient(teacher.teacher) and not has_gradient(both.labelenc.adapter)
    with training_at(950):
        assert 'loss_distillation' not in both(**data(both), mode='loss')


def test_a_teacher_beside_the_labels_is_loaded_and_wanted(path):
    detector = build('small', 'one-run', distillation=dict(BOTH))
    with training_at(600), pytest.raises(RuntimeError, match='set init_from'):
        detector(**data(detector), mode='loss')
    for stage, option in (('autoencode', dict(joint=False)), ('one-run', dict(label_share=0))):
        with pytest.raises(ValueError, match=r'labelenc\.distillation'):
            build('small', stage, distillation=dict(BOTH), **option)


DISTILLED = """
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(type='FeatureDistillationHead', teacher='{teacher}', init_from='{weights}'),
)
val_cfg = dict(type='LabelEncValLoop')  # there is no label branch: validated as usual
"""


@pytest.fixture(scope='module')
def parts():
    """The auxiliary detector of the shared step 1 is the teacher."""
    folder = shared_folder()
    return dict(teacher=folder / 'step1_base.py', weights=shared_step1().work_dir / 'epoch_4.pth')


def test_whole_training_exports_the_student(parts, tmp_path):
    hooks = "dict(type='KeepWeightsHook')"
    config = write_config(tmp_path / 'c.py', shared_data(), DISTILLED, HOOKS, hooks=hooks, **parts)
    run = train(config, tmp_path / 'run')
    assert active_per_epoch(run) == [2, 2, 2, 0]
    first, last = (weights(run.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    teacher = {
        key: value
        for key, value in weights(parts['weights']).items()
        if key.startswith(('backbone.', 'neck.'))
    }
    for state in (first, last):
        assert differing(with_prefix(state, 'labelenc.teacher.'), teacher) == []
    assert 'backbone.layer1.0.conv1.weight' in differing(first, last)
    exported = weights(run.work_dir / EXPORTED)
    assert differing(exported, {k: v for k, v in last.items() if is_stock(k)}) == []
    assert not (run.work_dir / ENCODING).exists()
    metrics = {key for entry in run.scalars() for key in entry if 'coco/' in key}
    assert metrics and not any('/reconstruction_' in key for key in metrics)

    # Interrupted and resumed where the teacher's file is gone.
    file = tmp_path / 'teacher.pth'
    file.write_bytes(parts['weights'].read_bytes())
    resumed = interrupt_and_resume(
        tmp_path / 'resumed', DISTILLED, epoch=2, lose=file, **{**parts, 'weights': file}
    )
    assert differing(weights(resumed.work_dir / 'epoch_4.pth'), last) == []
    assert differing(weights(resumed.work_dir / EXPORTED), exported) == []


def test_two_ranks(parts, tmp_path):
    hooks = "dict(type='KeepWeightsHook')"
    halves = 'train_dataloader = dict(batch_size=2)\ntrain_cfg = dict(val_interval=4)\n'
    config = write_config(
        tmp_path / 'c.py', shared_data(), DISTILLED, halves, HOOKS, hooks=hooks, **parts
    )
    run = train(config, tmp_path / 'run', processes=2)
    ranks = [weights(run.work_dir / f'last_rank{rank}.pth') for rank in (0, 1)]
    assert all('running_' in key for key in differing(*ranks))
    assert (run.work_dir / EXPORTED).exists()
