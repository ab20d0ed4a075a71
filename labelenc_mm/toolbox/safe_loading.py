"""Safe reading of PyTorch checkpoints.

A checkpoint of mmengine is a pickle, and a pickle can run code. Both toolbox families leave a way
in: the fork allow-lists the real ``getattr`` and falls back to unrestricted loading, and downloads
are read without restriction in both. Here every checkpoint goes through ``torch.load`` restricted
to tensors, plain Python types and the short list below in place of torch's. Before torch 2.6 even
the restricted form runs code (CVE-2025-32434): there, nothing is read unless the user opts out.
"""

import os
import pickle
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import torch
from packaging.version import Version

from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.files import local_path

OPT_OUT = 'LABELENC_MM_UNSAFE_LOAD'
# Before, `weights_only=True` does not keep a file from running code (CVE-2025-32434), and a list of our
# own, under names of our choice, is not to be had.
SAFE_TORCH = Version('2.6')

_STATISTICS = ('min', 'max', 'mean', 'current')
_ONE_CYCLE = 'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler'
_ANNEALING = ('_annealing_cos', '_annealing_linear')
_NUMBER_KINDS = 'biuf'
_lock = threading.RLock()


class CheckpointError(LabelEncMMError, RuntimeError):
    """A checkpoint that cannot, or must not, be loaded; names the file and a remedy."""


def load_checkpoint_file(
    path: str | os.PathLike[str], map_location: Any = 'cpu', written_here: bool = False
) -> Any:
    """Load a checkpoint without running any code that it may carry.

    Accepted are tensors, plain Python containers and numbers, numpy arrays and numbers, and
    mmengine's ``HistoryBuffer`` (the training log inside ordinary mmengine checkpoints).

    Args:
        path (str | PathLike): A file written by ``torch.save``; also as ``file://``.
        map_location: As in :func:`torch.load`.
        written_here (bool): Whether this very process wrote the file, so that there is nobody to
            distrust. Defaults to False.

    Returns:
        Any: The content, usually a dict with ``state_dict`` and ``meta``.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: The file is truncated, no checkpoint, or asks for anything else to be
            imported or called; or torch is older than 2.6, which cannot load safely at all.
    """
    path = local_path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'There is no checkpoint {path}. Check the path, or run the stage that writes it.'
        )
    with path.open('rb') as file:
        return load_open_file(file, map_location, str(path), written_here)


def load_open_file(file: IO[bytes], map_location: Any, name: str, is_trusted: bool = False) -> Any:
    """Load from an open file; ``name`` is what errors call it."""
    if not (_has_safe_torch() or is_trusted or opted_out()):
        raise CheckpointError(
            f'{name} was not read: torch {torch.__version__} runs code that a checkpoint carries, even '
            f'with weights_only=True (CVE-2025-32434). Install torch {SAFE_TORCH} or newer; or, if you '
            f'trust the source of every checkpoint that you load, set {OPT_OUT}=1.'
        )
    try:
        with _own_allow_list():
            return torch.load(file, map_location=map_location, weights_only=True)
    except (MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        # Arbitrary bytes make the unpickler fail in as many ways as it has instructions. The
        # original is not chained: torch's text recommends loading without restriction.
        raise CheckpointError(_explain(error, name)) from None


def _has_safe_torch() -> bool:
    return Version(torch.__version__) >= SAFE_TORCH


def _explain(error: Exception, name: str) -> str:
    """Say what was wrong with a checkpoint and what to do about it."""
    text = str(error).split('Check the documentation of torch.load')[0]
    asked_for = re.search(r'GLOBAL (\S+)', text)
    # torch puts its own advice first and the reason into the last paragraph.
    reason = asked_for[1] if asked_for else text.strip().split('\n')[-1].strip(' .')
    if not isinstance(error, pickle.UnpicklingError) or 'Unsupported operand' in reason:
        return (
            f'{name} could not be read as a PyTorch checkpoint ({reason or type(error).__name__}). '
            'It is truncated or something else, often a web page saved under this name: delete '
            'it, then copy, download or write it again.'
        )
    return (
        f'{name} was refused: it asks for {reason}, which ordinary checkpoints do not need. Nothing of '
        'it was run. If you trust its source, save it again as tensors and plain types, or set '
        f'{OPT_OUT}=1, which leaves loading to mmengine and lets the file run any code.'
    )


@contextmanager
def _own_allow_list() -> Iterator[None]:
    """Replace torch's process-wide list of safe globals by ours, and restore it afterwards.

    Replacing instead of adding matters: with the real ``getattr`` in the list, as the fork has it,
    a crafted file reaches any attribute of an allowed class and from there any function.
    """
    if not _has_safe_torch():
        yield
        return
    with _lock:
        before = torch.serialization.get_safe_globals()
        statistics, saved = _statistics_methods()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(_allow_list())
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)
            # Reading a HistoryBuffer merges the file's table of statistics into the class.
            statistics.clear()
            statistics.update(saved)


def _allow_list() -> list[Any]:
    """Return what a checkpoint may name: pairs of an object and the name that it answers to."""
    numbers = {type(np.dtype(code)) for code in np.typecodes['AllInteger'] + '?efd'}
    allowed: list[Any] = [
        (number, f'{number.__module__}.{number.__qualname__}') for number in numbers
    ]
    allowed += [(np.ndarray, 'numpy.ndarray'), (_plain_dtype, 'numpy.dtype'), slice]
    for core in ('numpy.core.multiarray', 'numpy._core.multiarray'):  # numpy 1 and numpy 2
        allowed += [(_empty_array, f'{core}._reconstruct'), (_plain_number, f'{core}.scalar')]
    history_buffer = _history_buffer_class()
    if history_buffer is not None:
        name = f'{history_buffer.__module__}.{history_buffer.__qualname__}'
        allowed += [(history_buffer, name), (_named_function, 'builtins.getattr')]
        allowed += [(_one_cycle_scheduler, _ONE_CYCLE)]
    return allowed


def _history_buffer_class() -> Any:
    try:
        from mmengine.logging import HistoryBuffer
    except ImportError:
        return None
    return HistoryBuffer


def _statistics_methods() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return HistoryBuffer's class-wide table of statistics and a copy of it."""
    table = getattr(_history_buffer_class(), '_statistics_methods', {})
    return table, dict(table)


def _named_function(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, through which pickled objects name functions of a class.

    A HistoryBuffer names its four methods, a one-cycle scheduler the function that it anneals by.
    """
    if owner is _history_buffer_class() and name in _STATISTICS:
        return owner.__dict__[name]
    if owner is _one_cycle_scheduler and name in _ANNEALING:
        from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

        return getattr(OneCycleParamScheduler, name)
    raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r})')


def _one_cycle_scheduler(*args: Any) -> None:
    """Stand in for the class of one-cycle schedulers, of which nothing but two functions is needed."""
    raise pickle.UnpicklingError(_ONE_CYCLE)


def _plain_dtype(code: Any, align: bool = False, copy: bool = False) -> np.dtype:
    """Stand in for ``numpy.dtype``: numbers only, no objects, no structures."""
    dtype = np.dtype(code) if isinstance(code, str) else None
    if dtype is None or dtype.kind not in _NUMBER_KINDS:
        raise pickle.UnpicklingError(f'numpy.dtype({code!r})')
    return dtype


def _empty_array(subtype: Any, shape: Any, dtype: Any) -> np.ndarray:
    """Stand in for numpy's ``_reconstruct``: the empty array whose content follows."""
    if subtype is not np.ndarray:
        raise pickle.UnpicklingError(f'an array of type {subtype!r}')
    return np.empty(0, np.int8)


def _plain_number(dtype: Any, data: Any) -> Any:
    """Stand in for numpy's ``scalar``."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in _NUMBER_KINDS:
        raise pickle.UnpicklingError(f'a numpy scalar of type {dtype!r}')
    return np.frombuffer(data, dtype, count=1)[0]


def opted_out() -> bool:
    """Whether the user leaves loading to mmengine, which is warned of."""
    if os.environ.get(OPT_OUT, '0') in ('', '0'):
        return False
    warnings.warn(
        f'{OPT_OUT} is set: checkpoints are loaded by mmengine itself and may run any code.',
        stacklevel=4,
    )
    return True
