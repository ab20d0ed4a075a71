"""The warm-up of a schedule, once more: as if the schedule had named it itself."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper

from labelenc_mm.engine.second_warmup import repeat_warmup


def wrapper():
    return OptimWrapper(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0))


def rates(optimizer, schedulers, iterations=20, per_epoch=5):
    """The rate of every iteration, as ParamSchedulerHook steps."""
    seen = []
    for iteration in range(iterations):
        seen.append(optimizer.param_groups[0]['lr'])
        for scheduler in schedulers:
            if not scheduler.by_epoch or (iteration + 1) % per_epoch == 0:
                scheduler.step()
    return seen


def stock(optimizer, by_epoch=False, second=None, **warmup):
    """A warm-up, perhaps a second one, and a drop."""
    warmup = dict(start_factor=0.1, by_epoch=by_epoch, end=2 if by_epoch else 4) | warmup
    schedulers = [
        LinearLR(optimizer, **warmup),
        MultiStepLR(optimizer, milestones=[3], gamma=0.5, by_epoch=True),
    ]
    if second is not None:
        end = second + warmup['end']
        schedulers.append(LinearLR(optimizer, **(warmup | dict(begin=second, end=end))))
    return schedulers


def repeated(schedulers, iteration):
    runner = SimpleNamespace(param_schedulers=schedulers, max_iters=20, max_epochs=4)
    repeat_warmup(runner, iteration)


@pytest.mark.parametrize(
    ('by_epoch', 'iteration', 'second'),
    [(False, 7, 7), (False, 4, 4), (True, 10, 2), (True, 11, 3)],
)
def test_it_is_as_if_the_schedule_had_named_it(by_epoch, iteration, second):
    optimizer, reference = wrapper(), wrapper()
    schedulers = stock(optimizer, by_epoch)
    repeated(schedulers, iteration)
    expected = rates(reference, stock(reference, by_epoch, second))
    assert rates(optimizer, schedulers) == pytest.approx(expected)
    alone = wrapper()
    assert expected != pytest.approx(rates(alone, stock(alone, by_epoch)))


def test_of_several_optimizers_each_warms_up_again():
    optimizers = {name: wrapper() for name in 'ab'}
    schedulers = {name: stock(optimizer) for name, optimizer in optimizers.items()}
    repeated(schedulers, 7)
    assert [len(group) for group in schedulers.values()] == [3, 3]
    assert all(schedulers[name][2].optimizer is optimizers[name] for name in 'ab')


@pytest.mark.parametrize(
    ('warmup', 'iteration'),
    [
        (dict(end=8), 7),  # still warming up
        (dict(begin=1), 7),  # no warm-up of the start
        (dict(start_factor=1.0, end_factor=0.1), 7),  # a decay
    ],
)
def test_what_does_not_warm_up_from_the_start_is_left_alone(warmup, iteration):
    schedulers = stock(wrapper(), **warmup)
    repeated(schedulers, iteration)
    assert len(schedulers) == 2


def test_a_training_without_schedulers_has_nothing_to_repeat():
    repeated(None, 7)
