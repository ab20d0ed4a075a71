"""Two processes on CPU: noise of their own, equal weights, and no parameter without a gradient."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from denoising_models import KINDS, build_pretrainer, photos, samples
from denoising_training import ARTEFACT, KEEP, PRETRAIN, shared_photos, write_config
from photo_files import truncate
from training_runs import TEST, differing, run_script, train, weights

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

RECORD = f"{KEEP}, dict(type='KeepNoiseHook')"
TWO_EACH = """
_base_.default_hooks.pop('reseed')  # tools/train.py adds it
model = dict(corruption=dict(gamma=0.95, unit_variance=True))
train_dataloader = dict(batch_size=2, dataset=dict(skip_damaged=True))
"""
CASES = [(kind, encoder) for kind in KINDS for encoder in (None, ())]


def test_two_ranks_draw_different_noise_and_end_equal(tmp_path):
    """Also where one of them meets a photo that cannot be read, and with noise scaled to the data."""
    photos = shutil.copytree(shared_photos(), tmp_path / 'photos')
    damaged = truncate(photos / 'train' / 'photo 03.jpg')
    config = write_config(tmp_path / 'c.py', PRETRAIN, TWO_EACH, photos=photos, hooks=RECORD)
    run = train(config, tmp_path / 'run', processes=2)
    kept = [torch.load(run.work_dir / f'noise_rank{rank}.pth') for rank in (0, 1)]
    noise = [rank['noise'] for rank in kept]
    assert [len(rank) for rank in noise] == [6, 6]
    drawn = torch.cat([each for rank in noise for each in rank]).flatten(1)
    alike = torch.corrcoef(drawn) - torch.eye(len(drawn))
    assert alike.abs().max() < 0.1  # of 24 images, 12 a rank

    ranks = [weights(run.work_dir / f'last_rank{rank}.pth') for rank in (0, 1)]
    assert all('running_' in key for key in differing(*ranks))
    moved = differing(weights(run.work_dir / 'first_rank0.pth'), ranks[0])
    assert 'decode_head.blocks.0.conv1.conv.weight' in moved
    assert not any(key.startswith('backbone.') for key in moved)
    left, metadata = load_tensors(run.work_dir / ARTEFACT)
    assert differing(left, {key: ranks[0][key] for key in left}) == []

    first = torch.cat([rank['images'] for rank in kept])
    std = first.std((0, 2, 3), correction=0)
    torch.testing.assert_close(ranks[1]['corruption.data_std'], std)
    assert metadata['corruption']['data_std'] == pytest.approx(std.tolist())

    # Three photos over two ranks: one is seen twice, and counted once.
    metrics = [entry for entry in run.scalars() if 'denoising/mse' in entry][-1]
    checkpoint = run.work_dir / 'epoch_3.pth'
    work_dir = tmp_path / 'alone'
    alone = run_script(TEST, config, checkpoint, '--work-dir', work_dir, work_dir=work_dir)
    assert f'denoising/psnr_noisy: {metrics["denoising/psnr_noisy"]:.4f}' in alone.output

    for epoch in (1, 2, 3):
        told = (
            f'1 photos could not be read in epoch {epoch}, others took their place:\n  {damaged}\n'
        )
        assert run.output.count(told) == 1
    assert run.output.count(damaged.name) == 3


def test_a_loss_that_is_not_finite_on_one_rank_stops_both(tmp_path):
    hooks = "dict(type='SpoilImagesHook', at=3, rank=1)"
    config = write_config(tmp_path / 'c.py', PRETRAIN, TWO_EACH, hooks=hooks)
    run = train(config, tmp_path / 'run', processes=2, expect=1, timeout=200)
    for output in run.outputs:
        assert 'FloatingPointError: iteration 3: not finite on at least one process: loss' in output
    checkpoint = load_checkpoint_file(tmp_path / 'run' / 'epoch_1.pth')
    assert all(torch.isfinite(value).all() for value in checkpoint['state_dict'].values())
    assert not (tmp_path / 'run' / ARTEFACT).exists()


# What follows also runs as a script, which is one rank.


def main(out):
    """One rank: two steps of each kind; DDP complains in the second of what had no gradient."""
    from labelenc_mm.engine import CPUCapableDistributedDataParallel, init_distributed

    init_distributed('pytorch', dict(timeout=60))
    for kind, encoder in CASES:
        torch.manual_seed(3)
        pretrainer = build_pretrainer(kind, encoder=encoder)
        model = CPUCapableDistributedDataParallel(pretrainer)
        model.train()
        for step in range(2):
            torch.manual_seed(100 * step + dist.get_rank())
            model.zero_grad()
            losses = model(photos(2, (64, 64)), samples(2, (64, 64)), mode='loss')
            losses['loss_denoising'].backward()
        gradients = {n: p.grad for n, p in pretrainer.named_parameters() if p.requires_grad}
        torch.save(gradients, f'{out}/{kind}-{encoder}-{dist.get_rank()}.pth')
    dist.barrier()
    dist.destroy_process_group()


def test_every_trained_parameter_has_a_gradient_on_every_rank(tmp_path):
    """DDeP and DeP of stock models, whose auxiliary heads are left out."""
    run_script(__file__, tmp_path, work_dir=tmp_path, processes=2, timeout=120)
    for kind, encoder in CASES:
        left, right = (torch.load(tmp_path / f'{kind}-{encoder}-{rank}.pth') for rank in (0, 1))
        assert None not in left.values()
        assert differing(left, right) == []
        has_encoder = any(key.startswith('backbone.') for key in left)
        assert has_encoder == (encoder == () or kind == 'UNet')
        assert not any('auxiliary' in key for key in left)


if __name__ == '__main__':
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / 'helpers')]
    main(*sys.argv[1:])
