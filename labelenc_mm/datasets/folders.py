"""Folders that appear complete or not at all."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def complete_folder(root: Path) -> Iterator[Path]:
    """Give a folder to work in; it takes the place of ``root`` when the block ends without error.

    What is at ``root`` then goes as a whole: the caller decides beforehand whether it may. A killed
    process leaves a hidden neighbour ``.<name>.partial-<host>-<pid>``, which the next use on that
    host removes; nothing unfinished is ever seen under the name of ``root``.

    Args:
        root: The folder to make; its parents are made too.

    Yields:
        An empty folder beside ``root``, to be filled.
    """
    root = root.resolve()  # a link stays where it is, and what it points to is exchanged
    root.parent.mkdir(parents=True, exist_ok=True)
    prefix = f'.{root.name}.partial-{socket.gethostname()}-'
    _remove_dead(root.parent, prefix)
    work = root.with_name(f'{prefix}{os.getpid()}')
    old = root.with_name(f'{prefix}{os.getpid()}.old')
    try:
        work.mkdir()
        yield work
        if root.exists():
            root.replace(old)
        work.replace(root)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _remove_dead(parent: Path, prefix: str) -> None:
    """Remove what killed processes of this host have left, and leftovers under our own number."""
    for path in parent.glob(f'{prefix}*'):
        number = path.name[len(prefix) :].removesuffix('.old')
        if number.isdigit() and (int(number) == os.getpid() or not _is_alive(int(number))):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's process
        return True
    return True
