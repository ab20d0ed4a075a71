"""One line per running process: in place on a terminal, printed now and then elsewhere."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from labelenc_mm.recipes.logs import last_values, read_curves, read_progress

_SPARSE_SECONDS = 60.0  # between two reports where there is no terminal


class ProgressDisplay:
    """Shows how far the running processes are.

    Args:
        work_dir: Parent of the runs' folders.
    """

    def __init__(self, work_dir: Path):
        self.work_dir = work_dir
        self._live = Live(console=Console(highlight=False), refresh_per_second=2, transient=True)
        self._terminal = sys.stdout.isatty()
        self._next = time.monotonic() + (2.0 if self._terminal else _SPARSE_SECONDS)

    def __enter__(self) -> 'ProgressDisplay':
        if self._terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Print lines that stay."""
        if self._terminal:
            self._live.console.print(Text(text))
        else:
            print(text, flush=True)

    def update(self, running: Mapping[str, int | None]) -> None:
        """Refresh the lines, if it is time to.

        Args:
            running: Name of each running process, and the epochs of its training if it counts in
                epochs.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (2.0 if self._terminal else _SPARSE_SECONDS)
        lines = [f'  {self.describe(*item)}' for item in running.items()]
        if self._terminal:
            self._live.update(Group(*map(Text, lines)))
        else:
            print('\n'.join(lines), flush=True)

    def describe(self, name: str, max_epochs: int | None = None) -> str:
        """Epoch, remaining time, loss and latest metric of a run, as far as its log tells."""
        folder = self.work_dir / name
        progress = read_progress(folder / 'output.log', max_epochs)
        metrics = list(last_values(read_curves(folder)).items())[:1]
        parts = [progress.text if progress else 'running']
        parts += [f'{metric} {value:.4g}' for metric, value in metrics]
        return f'{name}: {"  ".join(parts)}'
