"""Files: where they lie, and how they appear complete or not at all."""

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

_SCHEME = 'file://'


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a local file, also of one that is written as a ``file://`` address.

    Args:
        path: As a user gives it; ``~`` is the home folder.
    """
    text = os.fspath(path)
    if text.lower().startswith(_SCHEME):
        text = unquote(text[len(_SCHEME) :].removeprefix('localhost'))
    return Path(text).expanduser()


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether it is an address of something that is no local file."""
    text = os.fspath(path)
    return '://' in text and not text.lower().startswith(_SCHEME)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file so that an error or a kill leaves the old one, or none.

    Args:
        path: Target; its folder is created.

    Yields:
        Path: In the same folder and with the same ending, to write to. It takes the target's place when
        the block ends, and is removed where the block raises.

    Raises:
        OSError: As the block does; of a full disk it says so, whatever the writer made of it.
    """
    path = local_path(path)
    unfinished = path.with_name(f'.{os.getpid()}.{path.name}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        mode = unfinished.stat().st_mode
        yield unfinished
        # Some writers make files that only the owner reads.
        unfinished.chmod(mode)
        os.replace(unfinished, path)
    except Exception as error:
        if not _tells_of_a_full_disk(error):
            raise
        raise OSError(
            errno.ENOSPC,
            f'{os.strerror(errno.ENOSPC)}: the disk is full or its quota used up ({_free(path)} MiB free). '
            'This file was not written, an older one is as it was: make room, then repeat the command',
            str(path),
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _tells_of_a_full_disk(error: BaseException) -> bool:
    # safetensors has the system's text in an error of its own.
    is_full = getattr(error, 'errno', None) in (errno.ENOSPC, errno.EDQUOT)
    return is_full or os.strerror(errno.ENOSPC) in str(error)


def _free(path: Path) -> str:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    return f'{shutil.disk_usage(folder).free / 2**20:.1f}'


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
