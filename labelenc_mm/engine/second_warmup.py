"""The warm-up of a schedule, once more in the middle of a training."""

from typing import Any, NamedTuple

from mmengine.logging import print_log
from mmengine.optim.scheduler.param_scheduler import LinearParamScheduler
from mmengine.runner import Runner


class _WarmUp(NamedTuple):
    """Factors of the learning rate that rise linearly over some iterations, as those of LinearLR."""

    start: float
    end: float
    length: int

    def factor(self, iteration: int) -> float:
        """That of an iteration, counted from the begin; 1 outside."""
        if not 0 <= iteration < self.length:
            return 1.0
        return self.start + (self.end - self.start) * iteration / max(1, self.length - 1)


def repeat_warmup(runner: Runner, begin: int) -> None:
    """Run the warm-up of a training's start again where parts of the model begin to learn later.

    What warms up is a scheduler of the learning rate that rises linearly from the first iteration on; of
    others nothing is repeated. The rate is multiplied while the optimizer steps and put back, so that neither
    the schedule, which may go by the rate before, nor a checkpoint knows of it; the log shows that of the
    schedule.

    Args:
        runner: Of a training, with its schedulers built.
        begin: The iteration.
    """
    schedulers, wrapper = runner.param_schedulers, runner.optim_wrapper
    if not schedulers:
        return
    of_optimizer = (
        [(wrapper[name].optimizer, group) for name, group in schedulers.items()]
        if isinstance(schedulers, dict)
        else [(wrapper.optimizer, schedulers)]
    )
    per_epoch = runner.max_iters // runner.max_epochs
    for optimizer, group in of_optimizer:
        warm_ups = [_warm_up(scheduler, per_epoch) for scheduler in group if _warms_up(scheduler)]
        warm_ups = [each for each in warm_ups if each.length <= begin]
        if warm_ups:
            _Factors(runner, begin, warm_ups).attach(optimizer)
            length = max(each.length for each in warm_ups)
            print_log(
                f'The warm-up runs again in iterations {begin} to {begin + length}', 'current'
            )


def _warms_up(scheduler: Any) -> bool:
    return (
        isinstance(scheduler, LinearParamScheduler)
        and scheduler.param_name == 'lr'
        and scheduler.begin == 0
        and scheduler.start_factor < scheduler.end_factor
    )


def _warm_up(scheduler: Any, per_epoch: int) -> _WarmUp:
    length = scheduler.end * (per_epoch if scheduler.by_epoch else 1)
    return _WarmUp(scheduler.start_factor, scheduler.end_factor, length)


class _Factors:
    """Multiplies the rates of an optimizer around its steps."""

    def __init__(self, runner: Runner, begin: int, warm_ups: list[_WarmUp]) -> None:
        self.runner = runner
        self.begin = begin
        self.warm_ups = warm_ups
        self.rates: list[Any] = []

    def attach(self, optimizer: Any) -> None:
        optimizer.register_step_pre_hook(self.before)
        optimizer.register_step_post_hook(self.after)

    def before(self, optimizer: Any, *_: Any) -> None:
        self.rates = [group['lr'] for group in optimizer.param_groups]
        for each in self.warm_ups:
            factor = each.factor(self.runner.iter - self.begin)
            for group in optimizer.param_groups:
                group['lr'] = group['lr'] * factor

    def after(self, optimizer: Any, *_: Any) -> None:
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group['lr'] = rate
