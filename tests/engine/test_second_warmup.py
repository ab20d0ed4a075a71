"""The warm-up of a schedule, once more: steps are those of the schedule, times the factors of LinearLR."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, OptimWrapper

from labelenc_mm.engine.second_warmup import repeat_warmup

PER_EPOCH, ITERATIONS = 5, 20


def wrapper():
    groups = [
        dict(params=[torch.nn.Parameter(torch.zeros(1).double())], lr=lr) for lr in (1.0, 10.0)
    ]
    return OptimWrapper(torch.optim.SGD(groups))


def warm_up(optimizer, by_epoch=False, **options):
    return LinearLR(
        optimizer, **dict(start_factor=0.1, by_epoch=by_epoch, end=2 if by_epoch else 4) | options
    )


def drop(optimizer):
    return MultiStepLR(optimizer, milestones=[3], gamma=0.5, by_epoch=True)


def cosine(optimizer):
    """Its next rate follows from the one before."""
    return CosineAnnealingLR(optimizer, T_max=4, eta_min=0.1, by_epoch=True)


def trained(optimizer, schedulers, begin=None):
    """Steps of both groups and rates that the schedule shows, as MMEngine's hooks make them."""
    runner = SimpleNamespace(
        param_schedulers=schedulers,
        optim_wrapper=optimizer,
        max_iters=ITERATIONS,
        max_epochs=ITERATIONS // PER_EPOCH,
        iter=0,
    )
    if begin is not None:
        repeat_warmup(runner, begin)
    groups = optimizer.param_groups[:2]  # MMEngine adds one of its own
    parameters = [group['params'][0] for group in groups]
    steps, rates = [], []
    for runner.iter in range(ITERATIONS):
        before = [p.detach().clone() for p in parameters]
        rates.append([group['lr'] for group in groups])
        optimizer.update_params(sum(p.sum() for p in parameters))
        steps.append([float(b - p.detach()) for b, p in zip(before, parameters, strict=True)])
        last = (runner.iter + 1) % PER_EPOCH == 0
        # ParamSchedulerHook steps by iteration first.
        for scheduler in sorted(schedulers, key=lambda s: s.by_epoch):
            if last or not scheduler.by_epoch:
                scheduler.step()
    return torch.tensor(steps).double(), torch.tensor(rates).double()


@pytest.mark.parametrize('decay', [drop, cosine])
@pytest.mark.parametrize(
    ('by_epoch', 'begin', 'factors'),
    [
        (False, 7, [0.1, 0.4, 0.7, 1.0]),
        (False, 4, [0.1, 0.4, 0.7, 1.0]),
        (True, 10, [0.1 + 0.1 * i for i in range(10)]),
    ],
)
def test_steps_are_those_of_the_schedule_times_the_factors(decay, by_epoch, begin, factors):
    reference, optimizer = wrapper(), wrapper()
    expected, shown = trained(reference, [warm_up(reference, by_epoch), decay(reference)])
    torch.testing.assert_close(expected, shown)
    steps, rates = trained(optimizer, [warm_up(optimizer, by_epoch), decay(optimizer)], begin)
    assert torch.equal(rates, shown)  # the schedule knows nothing of it
    expected[begin : begin + len(factors)] *= torch.tensor(factors).double()[:, None]
    torch.testing.assert_close(steps, expected)


def test_factors_are_those_of_linearlr():
    reference, optimizer = wrapper(), wrapper()
    first, _ = trained(reference, [warm_up(reference)])
    again, _ = trained(optimizer, [warm_up(optimizer)], 8)
    torch.testing.assert_close(again[8:12], first[:4])


def test_of_several_optimizers_each_warms_up_again():
    optimizers = {name: wrapper() for name in 'ab'}
    runner = SimpleNamespace(
        param_schedulers={'a': [warm_up(optimizers['a'])], 'b': [drop(optimizers['b'])]},
        optim_wrapper=optimizers,
        max_iters=ITERATIONS,
        max_epochs=4,
    )
    repeat_warmup(runner, 7)
    hooks = {name: len(o.optimizer._optimizer_step_pre_hooks) for name, o in optimizers.items()}
    assert hooks == dict(a=1, b=0)


@pytest.mark.parametrize(
    ('options', 'begin'),
    [
        (dict(end=8), 7),  # still warming up
        (dict(begin=1), 7),  # no warm-up of the start
        (dict(start_factor=1.0, end_factor=0.1), 7),  # a decay
    ],
)
def test_what_does_not_warm_up_from_the_start_is_left_alone(options, begin):
    reference, optimizer = wrapper(), wrapper()
    expected, _ = trained(reference, [warm_up(reference, **options)])
    steps, _ = trained(optimizer, [warm_up(optimizer, **options)], begin)
    assert torch.equal(steps, expected)


def test_a_training_without_schedulers_has_nothing_to_repeat():
    optimizer = wrapper()
    runner = SimpleNamespace(
        param_schedulers=None, optim_wrapper=optimizer, max_iters=ITERATIONS, max_epochs=4
    )
    repeat_warmup(runner, 7)
    assert not optimizer.optimizer._optimizer_step_pre_hooks
