"""Denoising under autocast: bf16 on the CPU and, where there is one, both half precisions on a GPU."""

import copy

import pytest
import torch
from denoising_models import build_pretrainer, photos, samples
from denoising_training import ARTEFACT, KEEP, PRETRAIN, write_config
from mmengine.optim import AmpOptimWrapper
from training_runs import differing, train, weights

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.pretraining import GaussianCorruption

SIZE = (64, 64)


def step(model, optimizer):
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(photos(2, SIZE), samples(2, SIZE), mode='loss')
        loss, _ = model.parse_losses(losses)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return losses


def test_bf16_trains_on_the_cpu():
    """Noise and target stay in full precision; only what the network computes does not."""
    model = build_pretrainer('UPerNet').train()
    corrupted, outputs = [], []
    model.corruption.register_forward_hook(lambda module, args, out: corrupted.append(out))
    model.pixel_prediction.register_forward_hook(lambda module, args, out: outputs.append(out))
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    torch.manual_seed(5)
    half = step(model, optimizer)['loss_denoising']
    assert outputs[0].dtype == torch.bfloat16
    assert corrupted[0].noisy.dtype == corrupted[0].noise.dtype == half.dtype == torch.float32
    moved = differing(before, model.state_dict())
    assert 'decode_head.conv_seg.conv.weight' in moved
    assert not any(key.startswith('backbone.') for key in moved)
    model.load_state_dict(before)
    torch.manual_seed(5)
    full = model.loss(photos(2, SIZE), samples(2, SIZE))['loss_denoising']
    torch.testing.assert_close(half, full, rtol=0.01, atol=0)
    model.load_state_dict(before)
    losses = [step(model, optimizer)['loss_denoising'].item() for _ in range(10)]
    assert losses[-1] < losses[0]


def test_a_loss_that_is_not_finite_stops_before_the_backward_pass():
    model = build_pretrainer('UPerNet').train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with torch.no_grad():
        model.pixel_prediction.conv.weight.fill_(1e30)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(FloatingPointError, match='not finite on at least one process: loss'):
        step(model, optimizer)
    assert all(p.grad is None for p in model.parameters())
    parameters = {name: before[name] for name, _ in model.named_parameters()}
    assert differing(parameters, dict(model.named_parameters())) == []


@pytest.mark.gpu
def test_noise_is_drawn_on_the_device():
    corruption = GaussianCorruption(gamma=(0.1, 0.9)).cuda()
    images = photos(4, SIZE).cuda()
    state = torch.get_rng_state()
    torch.cuda.manual_seed(3)
    first = corruption(images)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(value.is_cuda for value in first)
    torch.cuda.manual_seed(3)
    assert torch.equal(corruption(images).noisy, first.noisy)
    assert not torch.equal(corruption(images).noise, first.noise)
    assert len(first.log_sigma.unique()) == 4


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_a_whole_training_in_half_precision_on_a_gpu(dtype, tmp_path):
    config = write_config(tmp_path / 'c.py', PRETRAIN, hooks=KEEP)
    options = [f'optim_wrapper.type={AmpOptimWrapper.__name__}', f'optim_wrapper.dtype={dtype}']
    run = train(config, tmp_path / 'run', *options, device='cuda')
    first, last = (weights(run.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    moved = differing(first, last)
    assert 'decode_head.blocks.0.conv1.conv.weight' in moved
    assert not any(key.startswith('backbone.') for key in moved)
    tensors, _ = load_tensors(run.work_dir / ARTEFACT)
    assert all(torch.isfinite(value).all() for value in tensors.values())
    assert [entry['denoising/mse'] for entry in run.scalars() if 'denoising/mse' in entry]
