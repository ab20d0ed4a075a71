"""Files that are complete or as they were."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file so that an error or a kill leaves the old one, or none.

    Args:
        path: Target; its folder is created.

    Yields:
        Path: In the same folder and with the same ending, to write to. It takes the target's place when
        the block ends, and is removed where the block raises.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'.{os.getpid()}.{path.name}')
    unfinished.touch()
    mode = unfinished.stat().st_mode
    try:
        yield unfinished
        # Some writers make files that only the owner reads.
        unfinished.chmod(mode)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
