"""Gradients of ours beside a model's: each clipped by its own norm."""

import copy

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper

from labelenc_mm.engine.gradient_clipping import clip_apart


@pytest.fixture
def parts():
    torch.manual_seed(0)
    return torch.nn.ModuleDict(dict(model=torch.nn.Linear(4, 4), ours=torch.nn.Linear(4, 4)))


def stepped(parts, own, inputs, **options):
    parts = copy.deepcopy(parts)
    optimizer = torch.optim.SGD(parts.parameters(), lr=1)
    wrapper = OptimWrapper(optimizer, **options)
    if own:
        clip_apart(wrapper, parts[own].parameters())
    losses = [scale * parts[name](torch.ones(2, 4)).square().sum() for name, scale in inputs]
    wrapper.update_params(sum(losses))
    return parts


@pytest.mark.parametrize('clip', [dict(max_norm=0.1), dict(type='value', clip_value=0.1)])
def test_what_is_clipped_beside_it_changes_nothing_for_a_model(parts, clip):
    """By values each gradient is clipped by itself anyway, and no norm comes back."""
    alone = stepped(parts, None, [('model', 1)], clip_grad=dict(clip))
    both = stepped(parts, 'ours', [('model', 1), ('ours', 1e4)], clip_grad=dict(clip))
    for ours, expected in zip(both.model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(ours, expected)
    step = [b - a for a, b in zip(parts.ours.parameters(), both.ours.parameters(), strict=True)]
    norm = torch.cat([s.flatten() for s in step])
    norm = norm.norm() if 'max_norm' in clip else norm.abs().max()
    torch.testing.assert_close(norm, torch.tensor(0.1))


def test_by_one_norm_it_would(parts):
    alone = stepped(parts, None, [('model', 1)], clip_grad=dict(max_norm=0.1))
    both = stepped(parts, None, [('model', 1), ('ours', 1e4)], clip_grad=dict(max_norm=0.1))
    assert not torch.equal(both.model.weight, alone.model.weight)


def test_the_norm_that_is_logged_is_the_models(parts):
    hub = MessageHub.get_instance('test_clipped_apart')
    parts_of = [('model', 1), ('ours', 1e4)]
    logged = []
    for own, inputs in ((None, parts_of[:1]), ('ours', parts_of)):
        copied = copy.deepcopy(parts)
        wrapper = OptimWrapper(torch.optim.SGD(copied.parameters(), 1), clip_grad=dict(max_norm=1))
        wrapper.message_hub = hub
        if own:
            clip_apart(wrapper, copied[own].parameters())
        wrapper.update_params(sum(s * copied[n](torch.ones(2, 4)).sum() for n, s in inputs))
        logged.append(hub.get_scalar('train/grad_norm').current())
    assert logged[0] == logged[1]


def test_without_clipping_nothing_is_changed(parts):
    inputs = [('model', 1), ('ours', 3)]
    plain, apart = (stepped(parts, own, inputs) for own in (None, 'ours'))
    for a, b in zip(plain.parameters(), apart.parameters(), strict=True):
        assert torch.equal(a, b)
