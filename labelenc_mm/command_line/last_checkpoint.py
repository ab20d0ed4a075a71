"""The record ``last_checkpoint`` of a work dir, and the checkpoint that it stands for."""

import os
from pathlib import Path

from labelenc_mm.files import is_remote, local_path


def follow_record(path: str | os.PathLike[str]) -> str:
    """Return a checkpoint's path or URL; what mmengine's ``last_checkpoint`` file names replaces it.

    A ``file://`` address becomes a path.

    A record that is not there yet stays as it is, and so does an empty one, as a training leaves it that
    was killed while it wrote.
    """
    if is_remote(path):
        return os.fspath(path)
    record = local_path(path)
    if record.name != 'last_checkpoint' or not record.exists():
        return str(record)
    named = record.read_text(encoding='utf-8').strip() or str(record)
    if is_remote(named):
        return named
    named = str(local_path(named))
    beside = record.with_name(Path(named).name)  # in a work dir that was moved
    return str(beside) if not Path(named).exists() and beside.is_file() else named
