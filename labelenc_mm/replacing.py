"""Files that are complete or as they were."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelenc_mm.local_path import local_path


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
