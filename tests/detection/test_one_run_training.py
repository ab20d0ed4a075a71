"""Whole trainings in one run: switched off, averaged, accumulated, by iterations and resumed."""

from training_configs import ACCUMULATION, EMA, HOOKS, ITERATIONS, ONE_RUN, write_config
from training_runs import (
    ENCODING,
    EXPORTED,
    active_per_epoch,
    differing,
    is_stock,
    shared_data,
    train,
    weights,
    with_prefix,
)

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

KEEP = "dict(type='KeepWeightsHook')"


def test_switched_off_a_training_is_the_baselines_bit_by_bit(tmp_path):
    """The stock detector, its own hooks and loops, the same seed: losses, weights and metrics."""
    stock = train(write_config(tmp_path / 'stock.py', shared_data()), tmp_path / 'stock')
    config = write_config(tmp_path / 'off.py', shared_data(), ONE_RUN)
    off, on = (
        train(config, tmp_path / f'share{share}', f'model.labelenc.label_share={share}')
        for share in (0, 0.25)
    )

    def of_the_log(run):
        timing = ('time', 'data_time')
        return [{k: v for k, v in e.items() if k not in timing} for e in run.scalars()]

    assert of_the_log(off) == of_the_log(stock)
    expected = weights(stock.work_dir / 'epoch_4.pth')
    left = {k: v for k, v in weights(off.work_dir / 'epoch_4.pth').items() if is_stock(k)}
    assert differing(left, expected) == []
    assert differing(weights(off.work_dir / EXPORTED), expected) == []
    # Switched on it begins with the baseline's weights and images, and ends elsewhere.
    first, expected_first = of_the_log(on)[0], of_the_log(stock)[0]
    assert all(first[key] == expected_first[key] for key in ('loss_cls', 'loss_bbox'))
    assert differing(weights(on.work_dir / EXPORTED), expected) != []


def test_until_the_distance_counts_a_training_is_the_baselines_whatever_is_clipped(tmp_path):
    """The label branch learns beside it, and its gradients do not count in the norm of the detector's."""
    clipped = ('optim_wrapper.clip_grad.max_norm=0.01',)
    stock = train(write_config(tmp_path / 'stock.py', shared_data()), tmp_path / 'stock', *clipped)
    config = write_config(tmp_path / 'on.py', shared_data(), ONE_RUN)
    late = (
        'model.labelenc.label_share=1.0',
        'model.labelenc.distance_begin=3',
        'model.labelenc.distance_end=4',
    )
    run = train(config, tmp_path / 'on', *clipped, *late)
    before, last = ([r.work_dir / f'epoch_{n}.pth' for r in (run, stock)] for n in (3, 4))
    ours, expected = map(weights, before)
    assert differing({k: v for k, v in ours.items() if is_stock(k)}, expected) == []
    ours, expected = map(weights, last)
    assert differing({k: v for k, v in ours.items() if is_stock(k)}, expected) != []


def test_averaged_weights_are_handed_over_and_exported(tmp_path):
    hooks = EMA.format(buffers=False)
    config = write_config(tmp_path / 'ema.py', shared_data(), ONE_RUN, HOOKS, hooks=hooks)
    run = train(config, tmp_path / 'run', 'train_cfg.val_interval=9')
    raw = weights(run.work_dir / 'last_rank0.pth')
    averaged = weights(run.work_dir / 'epoch_4.pth')  # where mmengine swaps the two
    assert 'backbone.conv1.weight' in differing(raw, averaged)
    exported = weights(run.work_dir / EXPORTED)
    assert differing(exported, {k: v for k, v in averaged.items() if is_stock(k)}) == []
    handed = load_tensors(run.work_dir / ENCODING)[0]
    for part in ('encoder.', 'pyramid.'):
        ours = with_prefix(handed, part)
        assert differing(ours, with_prefix(averaged, f'labelenc.{part}')) == []
        assert differing(ours, with_prefix(raw, f'labelenc.{part}')) != []


def test_accumulated_gradients_hold_the_label_branch_of_every_other_iteration(tmp_path):
    """A quarter of two images is one in every other iteration: one in each update of two."""
    config = write_config(
        tmp_path / 'c.py', shared_data(), ONE_RUN, ACCUMULATION, HOOKS, hooks=KEEP
    )
    run = train(config, tmp_path / 'run')
    # The distance counts after a quarter of the 8 iterations and not in the last of 2 epochs.
    assert active_per_epoch(run) == [1, 0]
    scalars = load_checkpoint_file(run.work_dir / 'epoch_2.pth')['message_hub']['log_scalars']
    counts = {key: len(scalars[f'train/{key}'].data[0]) for key in ('loss_cls', 'ae_loss_cls')}
    assert counts == dict(loss_cls=8, ae_loss_cls=4)
    first, last = (weights(run.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    moved = differing(first, last)
    for part in ('pyramid', 'adapter'):
        assert [key for key in moved if key.startswith(f'labelenc.{part}.')], part


# Nothing of the data is random: mmengine seeds a resumed training anew.
PLAIN_DATA = """
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(120, 80), keep_ratio=True),
    dict(type='PackDetInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(labelenc=dict(distance_by_epoch=False))
"""


def test_by_iterations_a_resumed_training_ends_bit_equal(tmp_path):
    """The images that pass through the label branch and the factors of their objects are the same again."""
    parts = (ONE_RUN, ITERATIONS, PLAIN_DATA)
    whole = train(write_config(tmp_path / 'w.py', shared_data(), *parts), tmp_path / 'whole')
    hooks = "dict(type='StopHook', after_iteration=6)"
    stopped = write_config(tmp_path / 'c.py', shared_data(), *parts, HOOKS, hooks=hooks)
    train(stopped, tmp_path / 'run', expect=9)
    assert not (tmp_path / 'run' / 'iter_9.pth').exists()
    config = write_config(tmp_path / 'c.py', shared_data(), *parts)
    resumed = train(config, tmp_path / 'run', resume=True)
    assert 'iter_6.pth' in resumed.output
    for name in ('iter_9.pth', EXPORTED):
        assert differing(*(weights(run.work_dir / name) for run in (whole, resumed))) == []
    assert differing(*(load_tensors(run.work_dir / ENCODING)[0] for run in (whole, resumed))) == []
