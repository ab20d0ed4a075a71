"""Search of a learning rate schedule on held-out images, and trainings that follow what was found.

As colorization is fine-tuned ("Colorization as a Proxy Task for Visual Understanding", sec. 4.1): each time
the score on a tenth of the training images, held out, stalls, the rate drops; when it stalls after the second
drop, the search is over. Then a network is trained anew on all images with the same schedule.

.. code-block:: python

    # the search, on nine tenths; iterations, for these do not depend on the number of images
    train_cfg = dict(type='IterBasedTrainLoop', max_iters=200000, val_interval=1000)
    param_scheduler = [dict(type='ReduceOnPlateauLR', monitor='mIoU', rule='greater', patience=2)]
    default_hooks = dict(schedule_search=dict(type='ScheduleSearchHook'))

    # the training on all
    schedule = 'work_dirs/search/schedule.json'
    train_cfg = dict(type='FoundScheduleLoop', schedule=schedule, val_interval=1000)
    param_scheduler = [dict(type='FoundScheduleLR', schedule=schedule)]
"""

import json
import logging
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import MultiStepLR, ReduceOnPlateauParamScheduler
from mmengine.registry import HOOKS, LOOPS, PARAM_SCHEDULERS
from mmengine.runner import IterBasedTrainLoop

from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.files import replacing

FILE = 'schedule.json'


class ScheduleError(LabelEncMMError, ValueError):
    """A schedule that cannot be searched or followed; says why."""


@HOOKS.register_module()
class ScheduleSearchHook(Hook):
    """Write down when ``ReduceOnPlateauLR`` drops the rate, and end the training at the stall after the last.

    ``schedule.json`` in the work dir has the iterations of the drops and of the end, their factor, and the
    score of each validation; what ``EarlyStoppingHook`` counts are validations, not drops. A resumed search
    goes on from it. Checkpoints should be written as often as the search validates.

    Args:
        num_drops: How often the rate drops (sec. 4.1).

    Raises:
        ScheduleError: The training has not just one scheduler of this kind.
    """

    priority = 'VERY_LOW'  # after ParamSchedulerHook, which drops the rate

    def __init__(self, num_drops: int = 2) -> None:
        self.num_drops = num_drops
        self._scheduler: Any = None
        self._rate = 0.0
        self._found: dict[str, Any] = {}

    def before_train(self, runner: Any) -> None:
        """Find the scheduler, and in a resumed training what was found so far."""
        schedulers = runner.param_schedulers
        schedulers = schedulers if isinstance(schedulers, list) else []
        found = [s for s in schedulers if isinstance(s, ReduceOnPlateauParamScheduler)]
        if len(found) != 1:
            raise ScheduleError(
                f'ScheduleSearchHook: param_scheduler has {len(found)} schedulers that look at a score; '
                "expected one, as dict(type='ReduceOnPlateauLR', monitor='mIoU', rule='greater')"
            )
        self._scheduler = found[0]
        self._found = {
            'monitor': found[0].monitor,
            'factor': found[0].factor,
            'drops': [],
            'end': None,
            'scores': {},
        }
        if runner._resume and runner.iter > 0:
            self._go_on(runner)

    def before_val_epoch(self, runner: Any) -> None:
        """Remember the rate."""
        self._rate = _rate(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """See whether the rate has dropped."""
        if self._scheduler is None or metrics is None:
            return
        self._found['scores'][str(runner.iter)] = float(metrics[self._scheduler.monitor])
        if _rate(runner) < self._rate:
            if len(self._found['drops']) < self.num_drops:
                self._found['drops'].append(runner.iter)
            else:
                self._found['end'] = runner.iter
                runner.train_loop.stop_training = True
        self._write(runner)

    def after_train(self, runner: Any) -> None:
        """Say what was found."""
        if self._found['end'] is None:
            self._found['end'] = runner.iter
            print_log(
                f'ScheduleSearchHook: the training ended after {len(self._found["drops"])} of '
                f'{self.num_drops} drops and before the score stalled again: give it more iterations',
                'current',
                logging.WARNING,
            )
        self._write(runner)
        print_log(
            f'Schedule: drops after {self._found["drops"]}, end after {self._found["end"]} iterations',
            'current',
        )

    def _go_on(self, runner: Any) -> None:
        # The file lies where the first process runs.
        known = [_read(Path(runner.work_dir, FILE)) if is_main_process() else None]
        broadcast_object_list(known)
        state: Any = known[0]
        scores = {k: v for k, v in state['scores'].items() if int(k) <= runner.iter}
        drops = [drop for drop in state['drops'] if drop < runner.iter]
        self._found.update(scores=scores, drops=drops)
        if str(runner.iter) in scores:
            # The checkpoint was written before the validation, of which the scheduler knows nothing.
            self.before_val_epoch(runner)
            metrics = {self._scheduler.monitor: scores[str(runner.iter)]}
            self._scheduler.step(metrics)
            self.after_val_epoch(runner, metrics)

    def _write(self, runner: Any) -> None:
        if is_main_process():
            with replacing(Path(runner.work_dir, FILE)) as unfinished:
                unfinished.write_text(json.dumps(self._found, indent=1), encoding='utf-8')


@PARAM_SCHEDULERS.register_module()
class FoundScheduleLR(MultiStepLR):
    """Drops of the learning rate as a search has found them.

    Args:
        optimizer: What it is of; the runner gives it.
        schedule: ``schedule.json`` of :class:`ScheduleSearchHook`.
        kwargs: Of mmengine's ``MultiStepLR``.

    Raises:
        ScheduleError: It is no such file, or one of a search that has not ended.
    """

    def __init__(self, optimizer: Any, schedule: str, **kwargs: Any) -> None:
        found = read_schedule(schedule)
        options = {'milestones': found['drops'], 'gamma': found['factor'], 'end': found['end']}
        super().__init__(optimizer, **{**kwargs, **options, 'by_epoch': False})


@LOOPS.register_module()
class FoundScheduleLoop(IterBasedTrainLoop):
    """As many iterations as a search has found.

    Args:
        runner: The runner, which gives itself.
        dataloader: Of training; the runner gives it.
        schedule: ``schedule.json`` of :class:`ScheduleSearchHook`.
        kwargs: Of mmengine's ``IterBasedTrainLoop``: ``val_interval`` and others.

    Raises:
        ScheduleError: It is no such file, or one of a search that has not ended.
    """

    def __init__(self, runner: Any, dataloader: Any, schedule: str, **kwargs: Any) -> None:
        super().__init__(runner, dataloader, max_iters=read_schedule(schedule)['end'], **kwargs)


def read_schedule(path: str) -> dict[str, Any]:
    """What a search that has ended has found.

    Raises:
        ScheduleError: It is no such file, or one of a search that has not ended.
    """
    found = _read(Path(path))
    if found['end'] is None:
        raise ScheduleError(f'{path} is of a search that has not ended: resume it')
    return found


def _read(path: Path) -> dict[str, Any]:
    expected = f'expected the {FILE} of a search of a schedule (ScheduleSearchHook)'
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ScheduleError(
            f'{path} cannot be read ({type(error).__name__}: {error}); {expected}'
        ) from error
    keys = {'factor', 'drops', 'end', 'scores'}
    if not isinstance(content, dict) or not keys <= content.keys():
        raise ScheduleError(f'{path} lacks some of {", ".join(sorted(keys))}; {expected}')
    return content


def _rate(runner: Any) -> float:
    """The largest of all parameter groups; that of a group with ``lr_mult=0`` never drops."""
    return max(float(group['lr']) for group in runner.optim_wrapper.param_groups)
