"""The warm-up of a schedule, once more in the middle of a training."""

from typing import Any

from mmengine.optim.scheduler.param_scheduler import LinearParamScheduler
from mmengine.runner import Runner


def repeat_warmup(runner: Runner, iteration: int) -> None:
    """Run the warm-up of a training's start again where parts of the model begin to learn later.

    To be called before a checkpoint is loaded, which has the states of all schedulers in their order. What
    warms up is a scheduler that rises linearly from the first iteration on; of others nothing is repeated.

    Args:
        runner: Of a training, with its schedulers built.
        iteration: Where to begin; schedulers that count epochs begin with the first whole one.
    """
    schedulers = runner.param_schedulers
    groups = schedulers.values() if isinstance(schedulers, dict) else [schedulers or []]
    epoch = -(-iteration // (runner.max_iters // runner.max_epochs))
    for group in groups:
        for scheduler in list(group):
            begin = epoch if getattr(scheduler, 'by_epoch', True) else iteration
            if _warms_up(scheduler) and scheduler.end <= begin:
                group.append(_copy_at(scheduler, begin))


def _warms_up(scheduler: Any) -> bool:
    return (
        isinstance(scheduler, LinearParamScheduler)
        and scheduler.begin == 0
        and scheduler.start_factor < scheduler.end_factor
    )


def _copy_at(scheduler: Any, begin: int) -> Any:
    return type(scheduler)(
        scheduler.optimizer,
        start_factor=scheduler.start_factor,
        end_factor=scheduler.end_factor,
        begin=begin,
        end=begin + scheduler.end,
        by_epoch=scheduler.by_epoch,
        verbose=scheduler.verbose,
    )
