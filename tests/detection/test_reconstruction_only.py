"""Step 1 on the reconstruction loss alone (LabelEnc, Tables 2 and 5): no image is looked at."""

import shutil

import pytest
import torch
from detection_models import build, data, small_model_config, training_at
from mmengine.config import Config
from training_configs import HOOKS, STEP2, write_config
from training_runs import (
    ENCODING,
    EXPORTED,
    active_per_epoch,
    differing,
    interrupt_and_resume,
    shared_data,
    shared_folder,
    train,
    weights,
    with_prefix,
)

from labelenc_mm.detection import export_detector
from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.handover.export import ExportError

RECONSTRUCTION = """
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='autoencode', joint=False, encoder=dict(stem_channels=8, out_channels=(16, 32, 48, 64))
    ),
)
blank = dict(type='LoadBlankImage')
train_dataloader = dict(
    dataset=dict(data_prefix=dict(img='gone/'), pipeline=[blank, *_base_.train_pipeline[1:]])
)
val_dataloader = dict(
    dataset=dict(data_prefix=dict(img='gone/'), pipeline=[blank, *_base_.test_pipeline[1:]])
)
"""
KEEP = "dict(type='KeepWeightsHook')"
EMA = f"{KEEP}, dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.3)"


def losses_at(detector, iteration=600, **kwargs):
    batch = data(detector, **kwargs)
    torch.manual_seed(3)
    with training_at(iteration):
        return detector(**batch, mode='loss'), batch


def test_losses_are_those_of_the_label_branch_alone():
    """Bit-equal to the joint form with the same weights; the distance never joins."""
    alone, joint = build('small', joint=False), build('small')
    joint.load_state_dict(alone.state_dict())
    losses, _ = losses_at(alone)
    expected, _ = losses_at(joint, iteration=0)
    assert set(losses) == {key for key in expected if key.startswith('ae_')}
    for key, values in losses.items():
        assert all(map(torch.equal, values, expected[key])), key


def test_pixels_do_not_matter_and_backbone_neck_and_adapter_rest():
    detector = build('small', joint=False)
    resting = (detector.backbone, detector.neck, detector.labelenc.adapter)
    calls = []
    for module in resting:
        module.register_forward_hook(lambda *args: calls.append(args))
        assert not any(parameter.requires_grad for parameter in module.parameters())
    before = [{k: v.clone() for k, v in module.state_dict().items()} for module in resting]
    optimizer = torch.optim.SGD(detector.parameters(), 0.01, momentum=0.9, weight_decay=0.1)
    losses, batch = losses_at(detector)
    batch['inputs'] = torch.full_like(batch['inputs'], float('nan'))
    torch.manual_seed(3)
    with training_at(600):
        again = detector(**batch, mode='loss')
    for key, values in losses.items():
        assert all(map(torch.equal, values, again[key])), key
    loss, _ = detector.parse_losses(losses)
    loss.backward()
    learning = {n for n, p in detector.named_parameters() if p.requires_grad}
    assert learning == {n for n, p in detector.named_parameters() if p.grad is not None}
    assert {name.split('.')[0] for name in learning} == {'bbox_head', 'labelenc'}
    optimizer.step()
    detector.train()
    assert calls == []
    for module, state in zip(resting, before, strict=True):
        assert differing(module.state_dict(), state) == []


def test_statistics_of_the_head_are_those_of_the_label_features():
    """There is no image pass whose statistics they could disturb: a head of ours normalises by them."""
    detector = build('RTMDet', joint=False)
    counts = {k: v.clone() for k, v in detector.state_dict().items() if 'num_batches' in k}
    losses_at(detector, sizes=((3, 128, 128),) * 2)
    for key, before in counts.items():
        if key.startswith('bbox_head.'):
            assert detector.state_dict()[key] == before + 1, key
        elif key.startswith(('backbone.', 'neck.')):
            assert detector.state_dict()[key] == before, key


def test_step_2_cannot_do_without_images():
    with pytest.raises(ValueError, match=r"joint=False belongs to stage='autoencode'"):
        build('small', 'supervise', joint=False)


def test_an_untrained_backbone_is_not_exported(tmp_path):
    detector = build('small', joint=False)
    model = small_model_config()
    model.update(type='LabelEncRetinaNet', labelenc=dict(stage='autoencode', joint=False))
    with pytest.raises(ExportError, match='backbone and neck are untrained'):
        export_detector(Config(dict(model=model)), detector.state_dict(), str(tmp_path / 'x.pth'))
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope='module')
def run():
    path = shared_folder() / 'reconstruction.py'
    config = write_config(path, shared_data(), RECONSTRUCTION, HOOKS, hooks=KEEP)
    return train(config, shared_folder() / 'reconstruction')


def test_training_without_image_files(run):
    """The images' folder does not exist. Only the label branch is validated and handed over."""
    assert not (shared_data() / 'gone').exists()
    assert active_per_epoch(run) == [0, 0, 0, 0]
    logged = {key for entry in run.scalars() for key in entry}
    assert {key for key in logged if 'loss' in key} == {'loss', 'ae_loss_cls', 'ae_loss_bbox'}
    metrics = {key for key in logged if 'coco/' in key}
    assert metrics and all('/reconstruction_' in key for key in metrics)
    first, last = (weights(run.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    moved = differing(first, last)
    for part in ('backbone.', 'neck.', 'labelenc.adapter.'):
        assert not [key for key in moved if key.startswith(part)]
    for part in ('bbox_head.', 'labelenc.encoder.', 'labelenc.pyramid.'):
        assert [key for key in moved if key.startswith(part)]
    assert not (run.work_dir / EXPORTED).exists()
    assert 'No detector is exported' in run.output
    handed = with_prefix(load_tensors(run.work_dir / ENCODING)[0], 'encoder.')
    assert differing(handed, with_prefix(last, 'labelenc.encoder.')) == []


def test_step_2_starts_from_it(run, tmp_path):
    config = write_config(tmp_path / 'c.py', shared_data(), STEP2, step1=run.work_dir / ENCODING)
    second = train(config, tmp_path / 'run')
    handed = with_prefix(load_tensors(run.work_dir / ENCODING)[0], 'encoder.')
    state = weights(second.work_dir / 'epoch_4.pth')
    assert differing(handed, with_prefix(state, 'labelenc.encoder.')) == []
    assert (second.work_dir / EXPORTED).exists()


def test_resumed_training_ends_bit_equal(run, tmp_path):
    resumed = interrupt_and_resume(tmp_path, RECONSTRUCTION, epoch=2)
    states = [weights(each.work_dir / 'epoch_4.pth') for each in (resumed, run)]
    assert differing(*states) == []
    files = [load_tensors(each.work_dir / ENCODING)[0] for each in (resumed, run)]
    assert differing(*files) == []


def test_averaged_weights_are_handed_over(tmp_path):
    config = write_config(tmp_path / 'c.py', shared_data(), RECONSTRUCTION, HOOKS, hooks=EMA)
    run = train(config, tmp_path / 'run')
    averaged = weights(run.work_dir / 'epoch_4.pth')
    raw = weights(run.work_dir / 'last_rank0.pth')
    handed = with_prefix(load_tensors(run.work_dir / ENCODING)[0], 'encoder.')
    assert differing(handed, with_prefix(averaged, 'labelenc.encoder.')) == []
    assert differing(handed, with_prefix(raw, 'labelenc.encoder.')) != []


@pytest.mark.parametrize('unused', [True, False])
def test_two_ranks_end_equal(unused, tmp_path):
    """What rests is no part of the communication, so that DDP need not look for it."""
    config = write_config(
        tmp_path / 'c.py',
        shared_data(),
        RECONSTRUCTION,
        'train_dataloader = dict(batch_size=2)\ntrain_cfg = dict(val_interval=4)\n',
        HOOKS,
        hooks=KEEP,
    )
    option = f'find_unused_parameters={unused}'
    run = train(config, tmp_path / 'run', option, processes=2)
    ranks = [weights(run.work_dir / f'last_rank{rank}.pth') for rank in (0, 1)]
    assert differing(*ranks) == []
    assert 'coco/reconstruction_bbox_mAP' in run.scalars()[-1]


def test_annotations_without_sizes_stop_the_training(tmp_path):
    """COCO's own loader asks for them first; whatever fails says which key is missing."""
    folder = tmp_path / 'data'
    shutil.copytree(shared_data() / 'annotations', folder / 'annotations')
    path = folder / 'annotations' / 'train.json'
    path.write_text(path.read_text().replace('"height"', '"h"'))
    config = write_config(tmp_path / 'c.py', folder, RECONSTRUCTION)
    run = train(config, tmp_path / 'run', expect=1)
    assert "KeyError: 'height'" in run.output
