"""Two phases in one run: frozen to the bit, then trained; resumed; under DDP."""

import itertools
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn
from toy import WIDTH, config
from training_runs import run_script

from labelenc_mm.engine import (
    CPUCapableDistributedDataParallel,
    FrozenPhaseHook,
    init_distributed,
)


@MODELS.register_module()
class TwoPartModel(BaseModel):
    """A backbone with batch statistics and dropout, and a classifier."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Linear(WIDTH, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5)
        )
        self.decode_head = nn.Linear(8, 1)
        self.seen = []

    def forward(self, inputs, targets=None, mode='loss'):
        features = self.backbone(torch.stack(list(inputs)))
        self.seen.append((features.requires_grad, self.backbone.training, torch.is_grad_enabled()))
        prediction = self.decode_head(features)[:, 0]
        return {'loss': (prediction - torch.stack(list(targets))).square().mean()}


def train(work_dir, hook, epochs=4, optimizer=None, **options):
    """Train; return the model and its parts' bits after each epoch."""
    cfg = config(work_dir, epochs=epochs, **options)
    cfg['model'] = {'type': 'TwoPartModel'}
    # Both would move a weight whose gradient is zero.
    cfg['optim_wrapper'] = {
        'optimizer': optimizer
        or {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9, 'weight_decay': 0.1, 'nesterov': True}
    }
    if hook is not None:
        cfg['custom_hooks'] = [{'type': 'FrozenPhaseHook', **hook}]
    runner = Runner.from_cfg(cfg)
    start = {key: value.cpu().clone() for key, value in runner.model.state_dict().items()}
    runner.train()
    states = [start]
    for epoch in range(1, epochs + 1):
        path = runner.work_dir + f'/epoch_{epoch}.pth'
        states.append(torch.load(path, map_location='cpu', weights_only=False)['state_dict'])
    return runner.model, states


def runner_of(model, optimizer=None):
    """What the hook sees of a Runner."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    return SimpleNamespace(model=model, optim_wrapper=OptimWrapper(optimizer))


def changed(before, after):
    """Names of the parts in which anything changed."""
    keys = [key for key in before if not torch.equal(before[key], after[key])]
    return sorted({key.split('.')[0] for key in keys})


@pytest.mark.parametrize(
    'optimizer', [None, {'type': 'AdamW', 'lr': 0.01, 'weight_decay': 0.5}], ids=['sgd', 'adamw']
)
def test_backbone_is_bit_equal_in_the_phase_and_trains_after_it(tmp_path, optimizer):
    model, states = train(tmp_path, {'end': 2}, optimizer=optimizer)
    changes = [changed(*pair) for pair in itertools.pairwise(states)]
    both = ['backbone', 'decode_head']
    assert changes == [['decode_head'], ['decode_head'], both, both]
    # 5 iterations an epoch: features without gradients, in evaluation mode; the head with them.
    assert model.seen == [(False, False, True)] * 10 + [(True, True, True)] * 10
    assert torch.is_grad_enabled()
    assert not model.backbone._forward_hooks and not model.backbone._forward_pre_hooks


def test_resumed_run_equals_an_uninterrupted_one(tmp_path):
    hook = {'end': 2}
    _, whole = train(tmp_path / 'whole', hook)
    for begin in (1, 3):  # within the phase and after it
        start = tmp_path / 'whole' / f'epoch_{begin}.pth'
        cfg = {'resume': True, 'load_from': str(start)}
        work_dir = tmp_path / f'from_{begin}'
        work_dir.mkdir()
        for epoch in range(1, begin + 1):  # what the interrupted run had left
            (work_dir / f'epoch_{epoch}.pth').symlink_to(start)
        _, resumed = train(work_dir, hook, **cfg)
        assert changed(whole[-1], resumed[-1]) == []


def test_phase_in_iterations_at_the_end(tmp_path):
    _, states = train(tmp_path, {'begin': -5, 'by_epoch': False}, epochs=2)
    assert changed(states[0], states[1]) == ['backbone', 'decode_head']
    assert changed(states[1], states[2]) == ['decode_head']


def test_phase_that_ends_within_an_epoch(tmp_path):
    model, _ = train(tmp_path, {'end': 7, 'by_epoch': False}, epochs=2)
    assert [training for _, training, _ in model.seen] == [False] * 7 + [True] * 3


def test_modes_from_before_the_phase_come_back():
    """As with norm_eval of the toolboxes' backbones, whose statistics stay as they are for good."""

    class Backbone(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[1].eval()
            return self

    model = TwoPartModel()
    model.backbone = Backbone(nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)), nn.BatchNorm1d(2))
    for modules in (['backbone'], ['backbone.0', 'backbone.1']):
        model.train()
        expected = {name: module.training for name, module in model.named_modules()}
        assert not expected['backbone.1'] and expected['backbone.0.1']
        hook = FrozenPhaseHook(modules, begin=1, end=3, by_epoch=False)
        hook.before_train(runner_of(model))
        hub = MessageHub.get_instance('test_modes')
        for key, value in dict(epoch=0, max_iters=5, max_epochs=1).items():
            hub.update_info(key, value)
        seen = []
        for iteration in range(5):
            hub.update_info('iter', iteration)
            hook.before_train_iter(None, iteration)
            seen.append({name: module.training for name, module in model.named_modules()})
        assert not any(seen[2][name] for name in expected if name.startswith('backbone.'))
        assert seen[0] == seen[3] == seen[4] == expected
        hub.update_info('iter', 2)
        hook.before_train_iter(None, 2)
        hook.after_train(None)  # the training may end within the phase
        assert {name: module.training for name, module in model.named_modules()} == expected


def test_gradients_from_before_the_phase_are_not_applied_in_it(tmp_path):
    """Two iterations share a step of the optimizer; the phase begins between them."""
    options = {'custom_hooks': [{'type': 'FrozenPhaseHook', 'begin': 3, 'by_epoch': False}]}
    cfg = config(tmp_path, epochs=1, **options)
    cfg['model'] = {'type': 'TwoPartModel'}
    cfg['optim_wrapper'] = {'optimizer': {'type': 'SGD', 'lr': 0.05}, 'accumulative_counts': 2}
    runner = Runner.from_cfg(cfg)
    states = []
    hook = Hook()
    hook.after_train_iter = lambda runner, *args, **kwargs: states.append(
        {key: value.clone() for key, value in runner.model.state_dict().items()}
    )
    runner.register_hook(hook)
    runner.train()
    assert changed(states[0], states[1]) == ['backbone', 'decode_head']
    assert changed(states[2], states[3]) == ['decode_head']


def test_gradients_are_on_again_after_an_error(tmp_path):
    model = TwoPartModel()
    hook = FrozenPhaseHook()
    hook.before_train(runner_of(model))
    hook._is_frozen = True
    with pytest.raises(RuntimeError):
        model.backbone(torch.zeros(2, WIDTH + 1))
    assert torch.is_grad_enabled()


def test_unknown_part_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no module 'neck'; its children are .*backbone, decode"):
        train(tmp_path, {'modules': ['neck']}, epochs=1)


def test_a_phase_outside_the_training_is_refused_by_the_hooks_own_names(tmp_path):
    with pytest.raises(ValueError, match=r'FrozenPhaseHook\.end=9 .* FrozenPhaseHook\.by_epoch'):
        train(tmp_path, {'end': 9}, epochs=2)


class Listed(nn.Module):
    """A part of containers, as mmseg's UNet, and weights that are used without forward, as DETR's."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleList(
            [nn.ModuleDict({'a': nn.Linear(2, 2)}), nn.Sequential(nn.Linear(2, 2), nn.ReLU())]
        )
        self.queries = nn.Embedding(2, 2)
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(2))])
        self.relu = nn.ReLU()
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        x = self.encoder[1](self.encoder[0]['a'](x)) @ self.queries.weight
        return self.head(self.relu(x * self.scales[0]))


@pytest.mark.parametrize('accumulate', [1, 2])
@pytest.mark.parametrize('path', ['encoder', 'encoder.0', 'queries', 'scales'])
def test_containers_and_weights_that_are_used_without_forward_are_frozen(path, accumulate):
    torch.manual_seed(0)
    model = Listed()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    hook = FrozenPhaseHook(path, begin=2, end=4, by_epoch=False)
    runner = runner_of(model, optimizer)
    hook.before_train(runner)
    hub = MessageHub.get_instance('test_containers')
    for key, value in dict(epoch=0, max_iters=6, max_epochs=1).items():
        hub.update_info(key, value)
    moves = []
    for iteration in range(6):
        hub.update_info('iter', iteration)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        hook.before_train_iter(runner, iteration)
        model(torch.rand(4, 2)).sum().backward()
        frozen = [p.grad for p in model.get_submodule(path).parameters()]
        assert (frozen == [None] * len(frozen)) == (iteration in (2, 3))
        if (iteration + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
        after = model.state_dict()
        moves.append(any(not torch.equal(before[k], after[k]) for k in after if k.startswith(path)))
    steps = [(i + 1) % accumulate == 0 for i in range(6)]
    assert moves == [step and not 2 <= i < 4 for i, step in enumerate(steps)]
    hook.after_train(runner)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any(p._post_accumulate_grad_hooks for p in model.parameters())


@pytest.mark.parametrize('trained', [True, False])
def test_gradients_that_are_dropped_do_not_count_in_clipping(trained):
    """Of the same steps, without and with a frozen part of large gradients."""
    norms = []
    for scale in (1, 1000):
        torch.manual_seed(0)
        model = Listed()
        wrapper = OptimWrapper(
            torch.optim.SGD(model.parameters(), lr=0.1), clip_grad=dict(max_norm=1e-3)
        )
        runner = SimpleNamespace(model=model, optim_wrapper=wrapper)
        hook = FrozenPhaseHook('queries', begin=1 if trained else 0, by_epoch=False)
        hook.before_train(runner)
        hub = MessageHub.get_instance('test_clipping')
        for key, value in dict(iter=0, epoch=0, max_iters=2, max_epochs=1).items():
            hub.update_info(key, value)
        hook.before_train_iter(runner, 0)
        before = model.head.bias.detach().clone()
        loss = model(torch.ones(4, 2)).sum()
        wrapper.update_params(loss + scale * model.queries.weight.sum())
        norms.append(float((model.head.bias.detach() - before).abs()))
    assert (norms[0] == norms[1]) == (not trained)


def test_a_container_computes_no_gradients_in_the_phase():
    model = Listed()
    hook = FrozenPhaseHook('encoder')
    hook.before_train(runner_of(model))
    hook._is_frozen = True
    assert not model.encoder[1](model.encoder[0]['a'](torch.rand(1, 2))).requires_grad


def test_a_path_that_freezes_nothing_is_refused():
    with pytest.raises(ValueError, match=r"'relu' is a ReLU without parameters"):
        FrozenPhaseHook('relu').before_train(runner_of(Listed()))


@pytest.fixture
def group_of_one(tmp_path):
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_under_ddp(group_of_one):
    """The reducer is built before the first phase and serves both."""
    model = TwoPartModel()
    wrapped = CPUCapableDistributedDataParallel(model, find_unused_parameters=True)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    hook = FrozenPhaseHook(end=3, by_epoch=False)
    runner = runner_of(wrapped, optimizer)
    hook.before_train(runner)
    hub = MessageHub.get_instance('test_under_ddp')
    for key, value in dict(iter=0, epoch=0, max_iters=6, max_epochs=1).items():
        hub.update_info(key, value)
    changes = []
    for iteration in range(6):
        hub.update_info('iter', iteration)
        wrapped.train()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        hook.before_train_iter(runner, iteration)
        optimizer.zero_grad()
        loss = wrapped(torch.randn(4, WIDTH), torch.randn(4), mode='loss')['loss']
        loss.backward()
        assert (model.backbone[0].weight.grad is None) == (iteration < 3)
        optimizer.step()
        changes.append(changed(before, model.state_dict()))
    assert changes == [['decode_head']] * 3 + [['backbone', 'decode_head']] * 3


def test_ddp_that_would_fail_is_refused_at_the_start(group_of_one):
    wrapped = CPUCapableDistributedDataParallel(TwoPartModel())
    with pytest.raises(ValueError, match='find_unused_parameters = True'):
        FrozenPhaseHook().before_train(runner_of(wrapped))


# What follows also runs as a script, which is one rank.


def main(path, out):
    """One rank, with inputs of its own, through a phase in the middle."""
    init_distributed('pytorch', dict(timeout=60))
    torch.manual_seed(0)
    model = Listed()
    wrapped = CPUCapableDistributedDataParallel(model, find_unused_parameters=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    hook = FrozenPhaseHook(path, begin=2, end=4, by_epoch=False)
    runner = runner_of(wrapped, optimizer)
    hook.before_train(runner)
    hub = MessageHub.get_instance('test_ranks')
    for key, value in dict(epoch=0, max_iters=6, max_epochs=1).items():
        hub.update_info(key, value)
    torch.manual_seed(dist.get_rank())
    states, gradients = [], []
    for iteration in range(6):
        hub.update_info('iter', iteration)
        states.append({k: v.clone() for k, v in model.state_dict().items()})
        hook.before_train_iter(runner, iteration)
        optimizer.zero_grad()
        wrapped(torch.rand(4, 2)).sum().backward()
        gradients.append(sorted(n for n, p in model.named_parameters() if p.grad is not None))
        optimizer.step()
    states.append(model.state_dict())
    torch.save([states, gradients], f'{out}/{path}.{dist.get_rank()}.pth')
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize('path', ['encoder', 'queries', 'scales'])
def test_two_ranks_freeze_containers_and_weights_alike(path, tmp_path):
    run_script(__file__, path, tmp_path, work_dir=tmp_path, processes=2, timeout=120)
    ranks = [torch.load(tmp_path / f'{path}.{rank}.pth') for rank in (0, 1)]
    (states, gradients), (others, other_gradients) = ranks
    assert gradients == other_gradients
    names = list(states[0])
    frozen = [name for name in names if name.startswith(path)]
    for iteration, (before, after) in enumerate(itertools.pairwise(states)):
        still = frozen if iteration in (2, 3) else []
        assert gradients[iteration] == sorted(set(names) - set(still))
        assert [n for n in names if torch.equal(before[n], after[n])] == still
    assert all(torch.equal(states[-1][name], others[-1][name]) for name in names)


if __name__ == '__main__':
    main(*sys.argv[1:])
