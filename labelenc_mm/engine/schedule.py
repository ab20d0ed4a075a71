"""Schedules of auxiliary losses: a function of the iteration and the config alone.

The iteration is read from mmengine's MessageHub, which the Runner keeps right after a resume, so the
schedule has no state of its own to save or to lose.
"""

from mmengine.logging import MessageHub

Limit = int | float


def training_progress(option: str) -> dict[str, int]:
    """How far the running training is: ``iter``, ``epoch``, ``max_iters`` and ``max_epochs``.

    Args:
        option: What needs to know, for the message.

    Raises:
        RuntimeError: No training is running in this process.
    """
    hub = MessageHub.get_current_instance()
    progress = {key: hub.get_info(key) for key in ('iter', 'epoch', 'max_iters', 'max_epochs')}
    missing = ', '.join(key for key, value in progress.items() if value is None)
    if missing:
        raise RuntimeError(
            f'{option} needs to know how far the training is, but the MessageHub of this process has no '
            f'{missing}. Train with a Runner, and build it right before its train() if there are several '
            'in one process.'
        )
    return {key: int(value) for key, value in progress.items()}


class TrainingWindow:
    """The part of a training in which a loss is active, from ``begin`` up to, not including, ``end``.

    A limit is an int, counted in epochs or iterations from the start, or from the end where negative,
    or a float in (0, 1), a share of all iterations.

    Args:
        begin: First active epoch or iteration.
        end: First epoch or iteration that is inactive again; None for the end of the training.
        by_epoch: Whether int limits count epochs (else iterations).
        names: What ``begin``, ``end`` and ``by_epoch`` are called in the config, for messages.
    """

    def __init__(
        self,
        begin: Limit = 0,
        end: Limit | None = None,
        by_epoch: bool = True,
        names: tuple[str, str, str] = ('begin', 'end', 'by_epoch'),
    ) -> None:
        for name, limit in zip(names, (begin, end), strict=False):
            if isinstance(limit, bool) or not isinstance(limit, int | float | None):
                raise TypeError(f'{name} must be an int, a float or None, got {limit!r}')
            if isinstance(limit, float) and not 0 < limit < 1:
                raise ValueError(
                    f'{name}={limit} is a float and thus a share of the training: it must lie '
                    'between 0 and 1. Write an int for a number of epochs or iterations.'
                )
        self.begin = begin
        self.end = end
        self.by_epoch = by_epoch
        self.names = names
        self._resolved: tuple[tuple[int, int], tuple[bool, int], tuple[bool, int]] | None = None

    def is_active(self) -> bool:
        """Whether the running training is inside the window.

        Raises:
            RuntimeError: If no training is running in this process.
            ValueError: If a limit lies outside the training, seen at the first call.
        """
        progress = training_progress(self.names[0])
        _, begin, end = self._resolve(progress['max_iters'], progress['max_epochs'])
        now = {True: progress['epoch'], False: progress['iter']}
        return now[begin[0]] >= begin[1] and now[end[0]] < end[1]

    def begin_iteration(self, max_iters: int, max_epochs: int) -> int:
        """The first active iteration of a training.

        Raises:
            ValueError: A limit lies outside of it.
        """
        counts_epochs, begin = self._resolve(max_iters, max_epochs)[1]
        return begin * (max_iters // max_epochs) if counts_epochs else begin

    def _resolve(
        self, max_iters: int, max_epochs: int
    ) -> tuple[tuple[int, int], tuple[bool, int], tuple[bool, int]]:
        """The limits as (counts epochs, number), checked against the length of the training."""
        key = (max_iters, max_epochs)
        if self._resolved is not None and self._resolved[0] == key:
            return self._resolved
        length = max_epochs if self.by_epoch else max_iters
        unit = 'epochs' if self.by_epoch else 'iterations'
        limits = []
        begin, end, by_epoch = self.names
        for name, limit in ((begin, self.begin), (end, self.end)):
            if limit is None:
                limits.append((False, max_iters))
            elif isinstance(limit, float):
                limits.append((False, round(limit * max_iters)))
            else:
                count = limit + length if limit < 0 else limit
                if not 0 <= count <= length:
                    raise ValueError(
                        f'{name}={limit} lies outside the training of {length} {unit}. '
                        f'Set it between {-length} and {length}, give a share such as 0.25, or '
                        f'change {by_epoch}.'
                    )
                limits.append((self.by_epoch, count))
        share = [
            count / (max_epochs if counts_epochs else max_iters) for counts_epochs, count in limits
        ]
        if share[0] >= share[1]:
            raise ValueError(
                f'{begin}={self.begin} is not before {end}={self.end} in a '
                f'training of {max_epochs} epochs, {max_iters} iterations: it would never be active. '
                f'Set {end} to {length} to keep it on until the end, or {by_epoch} '
                'to False to count iterations (an iteration-based loop is one epoch).'
            )
        self._resolved = (key, limits[0], limits[1])
        return self._resolved
