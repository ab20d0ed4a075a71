"""Two processes on CPU: the gradients of one process, equal ranks, and no hang when one is special."""

import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from training_configs import (
    HOOKS,
    LABELS_FIRST,
    ONE_RUN,
    PHASES,
    STEP1,
    STEP2,
    edit_annotations,
    write_config,
)
from training_runs import (
    ENCODING,
    EXPORTED,
    active_per_epoch,
    differing,
    run_script,
    shared_data,
    shared_step1,
    train,
    weights,
)

from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

KEEP = "dict(type='KeepWeightsHook')"
ONE_EACH = """
train_dataloader = dict(batch_size=2)
train_cfg = dict(val_interval=4)
"""


@pytest.fixture(scope='module')
def half_empty(tmp_path_factory):
    """Annotations for two of eight images alone: in every epoch ranks without any object."""
    path = tmp_path_factory.mktemp('annotations') / 'half_empty.json'
    return edit_annotations(
        shared_data() / 'annotations/train.json',
        lambda coco: coco.update(annotations=[a for a in coco['annotations'] if a['image_id'] < 2]),
        path,
    )


@pytest.mark.parametrize(
    ('stage', 'parts', 'active'),
    [
        ('autoencode', (STEP1,), [0, 2, 2, 2]),
        ('supervise', (STEP2,), [2, 2, 2, 0]),
        ('one-run', (ONE_RUN,), [0, 1, 1, 0]),
        ('one-run', (ONE_RUN, PHASES), [2, 2, 2, 0]),
        ('one-run', (ONE_RUN, LABELS_FIRST), [0, 1, 1, 0]),
    ],
    ids=['autoencode', 'supervise', 'one-run', 'one-run with phases', 'one-run with labels first'],
)
def test_two_ranks_end_equal_though_one_often_has_no_object(
    stage, parts, active, half_empty, tmp_path
):
    """Through the switch-on of the distance in step 1 and its switch-off in step 2.

    In one run also with all images compared, first detached, and after the end of the label branch; or with
    images that begin later than the labels.
    """
    config = write_config(
        tmp_path / 'c.py',
        shared_data(),
        *parts,
        ONE_EACH,
        HOOKS,
        hooks=KEEP,
        step1=shared_step1().work_dir / ENCODING,
    )
    run = train(
        config, tmp_path / 'run', f'train_dataloader.dataset.ann_file={half_empty}', processes=2
    )
    assert active_per_epoch(run) == active
    ranks = [weights(tmp_path / 'run' / f'last_rank{rank}.pth') for rank in (0, 1)]
    # Statistics of batch norms belong to each process, as with mmengine's own wrapper.
    assert all('running_' in key for key in differing(*ranks))
    first = weights(tmp_path / 'run' / 'first_rank0.pth')
    assert 'bbox_head.retina_cls.weight' in differing(first, ranks[0])
    assert (tmp_path / 'run' / EXPORTED).exists()
    assert (tmp_path / 'run' / ENCODING).exists() == (stage != 'supervise')
    assert 'coco/bbox_mAP' in run.metrics()


def test_a_rank_without_a_validation_image_takes_part(tmp_path):
    config = write_config(tmp_path / 'c.py', shared_data(), STEP1, ONE_EACH)
    options = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    options += ['val_dataloader.dataset.indices=1', 'val_dataloader.sampler.round_up=False']
    run = train(config, tmp_path / 'run', *options, processes=2, timeout=200)
    assert {'coco/bbox_mAP', 'coco/reconstruction_bbox_mAP'} <= run.metrics().keys()


def test_a_loss_that_is_not_finite_on_one_rank_stops_both(tmp_path):
    hooks = "dict(type='SpoilImagesHook', at=3, rank=1)"
    config = write_config(tmp_path / 'c.py', shared_data(), STEP1, ONE_EACH, HOOKS, hooks=hooks)
    run = train(config, tmp_path / 'run', processes=2, expect=1, timeout=200)
    for output in run.outputs:
        assert 'FloatingPointError: iteration 3: not finite on at least one process: loss' in output
    assert not (tmp_path / 'run' / 'epoch_2.pth').exists()
    checkpoint = load_checkpoint_file(tmp_path / 'run' / 'epoch_1.pth')
    assert all(torch.isfinite(value).all() for value in checkpoint['state_dict'].values())


def test_ddp_that_would_stop_when_the_distance_does_is_refused_at_the_start(tmp_path):
    config = write_config(
        tmp_path / 'c.py',
        shared_data(),
        STEP2,
        ONE_EACH,
        step1=shared_step1().work_dir / ENCODING,
    )
    options = ['find_unused_parameters=False']
    run = train(config, tmp_path / 'run', *options, processes=2, expect=1, timeout=200)
    for output in run.outputs:
        assert 'LabelEncRetinaNet leaves parameters without gradients' in output
    assert not (tmp_path / 'run' / 'epoch_1.pth').exists()


# What follows also runs as a script, which is one rank.


def make_detector(stage):
    from detection_models import SMALL_ENCODER, build
    from mmengine.config import Config

    fcos = Config.fromstring(
        "_base_ = 'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'", file_format='.py'
    ).model
    fcos.backbone.update(depth=18, base_channels=8, init_cfg=None, frozen_stages=-1)
    fcos.neck.update(in_channels=[8, 16, 32, 64], out_channels=32)
    fcos.bbox_head.update(num_classes=5, in_channels=32, feat_channels=32, stacked_convs=1)
    torch.manual_seed(3)
    share = dict(label_share=1.0) if stage == 'one-run' else {}
    return build('FCOS', stage, model=fcos, encoder=SMALL_ENCODER, **share)


def joint_batch():
    """Four images of one size, of which the last two have no object."""
    from mmdet.testing import demo_mm_inputs

    torch.manual_seed(0)
    return demo_mm_inputs(4, [[3, 96, 96]] * 4, num_items=[3, 1, 0, 0], num_classes=5)


def gradients(model, detector, chosen):
    """Gradients of the training loss on some images of the joint batch."""
    from detection_models import same_scales, training_at

    batch = {key: [values[i] for i in chosen] for key, values in joint_batch().items()}
    data = detector.data_preprocessor(batch, True)
    # The random factors of step 1 would be drawn in another order.
    with same_scales(), training_at(600):
        losses = model(**data, mode='loss')
        loss, log_vars = detector.parse_losses(losses)
    loss.backward()
    found = {n: p.grad for n, p in detector.named_parameters() if p.grad is not None}
    return found, {key: float(value.detach()) for key, value in log_vars.items()}


def main(stage, out):
    """One rank: its half of the joint batch, gradients averaged by the wrapper."""
    from labelenc_mm.engine import CPUCapableDistributedDataParallel, init_distributed

    init_distributed('pytorch', dict(timeout=60))
    detector = make_detector(stage)
    model = CPUCapableDistributedDataParallel(detector, find_unused_parameters=True)
    rank = dist.get_rank()
    chosen = ([0, 1], [2, 3])[rank]
    found, log_vars = gradients(model, detector, chosen)
    torch.save([found, log_vars], f'{out}/{rank}.pth')
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize('stage', ['autoencode', 'supervise', 'one-run'])
def test_gradients_are_those_of_one_process_with_the_joint_batch(stage, tmp_path):
    """FCOS, whose losses are normalised by the objects of all ranks (reduce_mean of num_pos and of
    the centerness targets), so that every gradient can be compared, not only those of the distance.

    RetinaNet for one divides by its own rank's objects: there the mean over ranks is another loss.
    Batch norms use their statistics (the caffe-style backbone of the stock config).
    """
    run_script(__file__, stage, tmp_path, work_dir=tmp_path, processes=2, timeout=120)
    ranks = [torch.load(tmp_path / f'{rank}.pth') for rank in (0, 1)]
    assert differing(ranks[0][0], ranks[1][0]) == []
    assert set(ranks[0][1]) == set(ranks[1][1])
    detector = make_detector(stage)
    expected, log_vars = gradients(detector, detector, [0, 1, 2, 3])
    assert 'loss_labelenc' in log_vars
    found = ranks[0][0]
    assert found.keys() == expected.keys()
    for part in ('backbone.', 'neck.', 'bbox_head.', 'labelenc.adapter.'):
        assert any(key.startswith(part) and expected[key].any() for key in expected), part
    for key, value in expected.items():
        scale = value.abs().max() + 1e-12
        torch.testing.assert_close(found[key] / scale, value / scale, rtol=1e-4, atol=1e-5, msg=key)


if __name__ == '__main__':
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / 'helpers')]
    main(*sys.argv[1:])
