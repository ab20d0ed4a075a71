"""What mmengine's ``last_checkpoint`` file, which lies in a work dir, stands for."""

import os
from pathlib import Path


def follow_record(path: str | os.PathLike[str]) -> str:
    """Return a checkpoint's path or URL; what mmengine's ``last_checkpoint`` file names replaces it.

    A record that is not there yet stays as it is, and so does an empty one, as a training leaves it that
    was killed while it wrote.
    """
    record = Path(path)
    if record.name != 'last_checkpoint' or not record.exists():
        return os.fspath(path)
    named = record.read_text(encoding='utf-8').strip() or os.fspath(path)
    beside = record.with_name(Path(named).name)  # in a work dir that was moved
    if '://' not in named and not Path(named).exists() and beside.is_file():
        return str(beside)
    return named
