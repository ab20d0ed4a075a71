"""Two processes on CPU: equal ranks and no hang when the maps of one are all void."""

import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from segmentation_training import (
    AUTOENCODER,
    EXPORTED,
    LEARN,
    SUPERVISE,
    last_metrics,
    shared_autoencoder,
    write_config,
)
from training_runs import differing, run_script, train, weights

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

HOOKS = "dict(type='KeepWeightsHook'), dict(type='VoidLabelsHook', rank=1)"
TWO_EACH = """
train_dataloader = dict(batch_size=2)
"""


@pytest.mark.parametrize('part', ['autoencoder', 'segmentor'])
def test_two_ranks_end_equal_though_one_has_only_void(part, tmp_path):
    """Without find_unused_parameters: every parameter has its gradient on every rank."""
    parts = (LEARN,) if part == 'autoencoder' else (SUPERVISE,)
    autoencoder = '' if part == 'autoencoder' else shared_autoencoder().work_dir / AUTOENCODER
    config = write_config(tmp_path / 'c.py', *parts, TWO_EACH, hooks=HOOKS, autoencoder=autoencoder)
    run = train(config, tmp_path / 'run', processes=2)
    first = weights(tmp_path / 'run' / 'first_rank0.pth')
    ranks = [weights(tmp_path / 'run' / f'last_rank{rank}.pth') for rank in (0, 1)]
    # Statistics of batch norms belong to each process, as with mmengine's own wrapper.
    assert all('running_' in key for key in differing(*ranks))
    assert all(torch.isfinite(value).all() for value in ranks[1].values())
    moved = differing(first, ranks[0])
    if part == 'autoencoder':
        assert {'encoder.convs.0.weight', 'decoder.convs.4.bias'} <= set(moved)
        tensors, _ = load_tensors(tmp_path / 'run' / AUTOENCODER)
        assert differing(tensors, ranks[0]) == []
    else:
        assert {'backbone.stem.0.weight', 'label_structure.0.to_code.weight'} <= set(moved)
        assert not any('.decoder.' in key or '.encoder.' in key for key in moved)
        assert (tmp_path / 'run' / EXPORTED).exists()
    assert last_metrics(run)['mIoU'] >= 0


def test_a_loss_that_is_not_finite_on_one_rank_stops_both(tmp_path):
    config = write_config(
        tmp_path / 'c.py',
        SUPERVISE,
        TWO_EACH,
        hooks="dict(type='SpoilImagesHook', at=3, rank=1)",
        autoencoder=shared_autoencoder().work_dir / AUTOENCODER,
    )
    run = train(config, tmp_path / 'run', processes=2, expect=1, timeout=200)
    for output in run.outputs:
        assert 'FloatingPointError: iteration 3: not finite on at least one process: loss' in output
    checkpoint = load_checkpoint_file(tmp_path / 'run' / 'epoch_1.pth')
    assert all(torch.isfinite(value).all() for value in checkpoint['state_dict'].values())


# What follows also runs as a script, which is one rank.


def gradients(model, autoencoder, chosen):
    """Gradients of the autoencoder's loss on some maps of a batch, all with as many labelled pixels."""
    from segmentation_models import random_maps, samples

    maps = random_maps(4, void=0.0)[chosen]
    maps[:, :8] = 255
    losses = model(torch.zeros(1), samples(maps), mode='loss')
    loss, _ = autoencoder.parse_losses(losses)
    loss.backward()
    return {name: p.grad for name, p in autoencoder.named_parameters()}


def main(out):
    """One rank: its half of the batch, gradients averaged by the wrapper."""
    from segmentation_models import build_autoencoder

    from labelenc_mm.engine import CPUCapableDistributedDataParallel, init_distributed

    init_distributed('pytorch', dict(timeout=60))
    torch.manual_seed(3)
    autoencoder = build_autoencoder()
    model = CPUCapableDistributedDataParallel(autoencoder)
    rank = dist.get_rank()
    torch.save(gradients(model, autoencoder, ([0, 1], [2, 3])[rank]), f'{out}/{rank}.pth')
    dist.barrier()
    dist.destroy_process_group()


def test_gradients_are_those_of_one_process_with_the_joint_batch(tmp_path):
    from segmentation_models import build_autoencoder

    run_script(__file__, tmp_path, work_dir=tmp_path, processes=2, timeout=120)
    ranks = [torch.load(tmp_path / f'{rank}.pth') for rank in (0, 1)]
    assert differing(*ranks) == []
    torch.manual_seed(3)
    autoencoder = build_autoencoder()
    expected = gradients(autoencoder, autoencoder, [0, 1, 2, 3])
    for name, value in expected.items():
        assert value.any(), name
        torch.testing.assert_close(ranks[0][name], value, rtol=1e-4, atol=1e-6, msg=name)


if __name__ == '__main__':
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / 'helpers')]
    main(*sys.argv[1:])
