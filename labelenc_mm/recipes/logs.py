"""Logs of a run, as the toolbox wrote them: progress, metrics and curves.

mmengine writes every start of a run into a folder named after its time: scalars, one json object a
line, in ``<time>/vis_data/scalars.json``, and the metrics of a test in ``<time>/<time>.json``.
A resumed run has several such folders; where they overlap, the later one counts.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCH_LINE = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\]')
ITER_LINE = re.compile(r'Iter\(train\)\s+\[\s*(\d+)/(\d+)\]')
ETA = re.compile(r'\beta: ((?:\d+ days?, )?[\d:]+)')
LOSS = re.compile(r'\bloss: (\S+)')

Curves = dict[str, dict[int, float]]


@dataclass(frozen=True)
class Progress:
    """The last training line of a log.

    Attributes:
        iteration: Iterations done since the start of the training.
        epoch: 1-based; 0 for training counted in iterations.
        epoch_length: Iterations an epoch; 0 for training counted in iterations.
    """

    iteration: int
    epoch: int
    epoch_length: int
    text: str


def read_progress(log: Path, max_epochs: int | None = None, whole: bool = False) -> Progress | None:
    """Read the last training line of a log file; ``None`` before the first.

    Args:
        log: The log's text.
        max_epochs: Epochs of the whole training, shown in the text where it is known.
        whole: Whether to look beyond the last 64 KiB, which a long validation fills alone.
    """
    for line in reversed(read_tail(log, tail_bytes=1 << (62 if whole else 16))):
        eta, loss = ETA.search(line), LOSS.search(line)
        extra = (f'  eta {eta[1]}' if eta else '') + (f'  loss {loss[1]}' if loss else '')
        if match := EPOCH_LINE.search(line):
            epoch, step, length = map(int, match.groups())
            of = f'/{max_epochs}' if max_epochs else ''
            text = f'epoch {epoch}{of} [{step}/{length}]{extra}'
            return Progress((epoch - 1) * length + step, epoch, length, text)
        if match := ITER_LINE.search(line):
            step, total = map(int, match.groups())
            return Progress(step, 0, 0, f'iteration {step}/{total}{extra}')
    return None


def read_tail(path: Path, tail_bytes: int = 1 << 14) -> list[str]:
    """The last lines of a text file; none if the file does not exist."""
    try:
        with path.open('rb') as file:
            file.seek(max(0, path.stat().st_size - tail_bytes))
            return file.read().decode('utf-8', errors='replace').splitlines()
    except OSError:
        return []


def read_curves(run_dir: Path, training: bool = False) -> Curves:
    """Validation metrics of a run over the toolbox's own steps (epochs, or iterations).

    Training lines are told apart by the learning rate that each of them carries.

    Args:
        run_dir: The work dir of the run.
        training: Whether to read losses and rates of the training instead, always over iterations.

    Returns:
        dict[str, dict[int, float]]: metric -> step -> value, steps ascending.
    """
    curves: Curves = {}
    for record in _scalar_records(run_dir):
        if ('lr' in record) != training or not isinstance(record.get('step'), (int, float)):
            continue
        for name, value in record.items():
            if name not in ('step', 'time', 'data_time') and isinstance(value, (int, float)):
                curves.setdefault(name, {})[int(record['step'])] = float(value)
    return {name: dict(sorted(curve.items())) for name, curve in curves.items()}


def read_test_metrics(run_dir: Path) -> dict[str, float]:
    """The metrics of the last test in a folder, numbers only."""
    metrics: dict[str, float] = {}
    for folder in sorted(path for path in run_dir.glob('*') if path.is_dir()):
        path = folder / f'{folder.name}.json'
        try:
            record = json.loads(path.read_text(encoding='utf-8'))
        except (OSError, ValueError, RecursionError):
            continue  # no test, or one that was killed
        if not isinstance(record, dict):
            continue
        metrics = {k: float(v) for k, v in record.items() if isinstance(v, (int, float))}
    return {k: v for k, v in metrics.items() if k not in ('time', 'data_time')}


def last_values(curves: Curves) -> dict[str, float]:
    """Each metric's last value."""
    return {name: list(curve.values())[-1] for name, curve in curves.items()}


def _scalar_records(run_dir: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(run_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text(encoding='utf-8', errors='replace').splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue  # the last line of a killed run may be cut
            if isinstance(record, dict):
                yield record
