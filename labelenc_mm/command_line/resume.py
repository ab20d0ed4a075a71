"""Resume after a kill, whenever it happened: from which checkpoint, and without what."""

import zipfile
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.files import is_remote, local_path
from labelenc_mm.handover.frozen_part import without_files


def find_resumable(work_dir: str) -> str | None:
    """Return the newest complete checkpoint of a work dir, or None.

    mmengine writes a checkpoint, then its path into ``last_checkpoint``; with ``max_keep_ckpts`` it
    deletes an older one before. A run that was killed between these steps leaves a truncated
    checkpoint, an empty ``last_checkpoint``, or one that names a deleted file; a copied work dir
    leaves paths of another place (see :func:`.follow_record`). In these
    cases the other checkpoints are looked through, that of the recorded name first, then from the
    newest on.

    Args:
        work_dir (str): Where the run wrote ``last_checkpoint`` and ``epoch_*.pth`` or
            ``iter_*.pth``.
    """
    folder = local_path(work_dir)
    record = folder / 'last_checkpoint'
    named = follow_record(record)  # the record itself where it is missing or empty
    if is_remote(named) or _is_complete(Path(named)):
        return named
    is_named = Path(named) != record
    fault = f'names {named}, which is missing or truncated' if is_named else 'is missing or empty'
    candidates = [*folder.glob('epoch_*.pth'), *folder.glob('iter_*.pth')]
    # By time, not by number: a work dir may hold those of an earlier run with other units. In a copied
    # one times may be those of the copying, and the name still holds.
    candidates.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    candidates.sort(key=lambda path: path.name != Path(named).name)
    for path in candidates:
        if _is_complete(path):
            print_log(f'{record} {fault}; resuming from {path} instead.', logger='current')
            return str(path)
    if is_named:
        print_log(
            f'{record} {fault}, and {folder} has no other complete checkpoint: starting from the '
            'beginning.',
            logger='current',
        )
    return None


def _is_complete(path: Path) -> bool:
    # torch writes zip files, whose table of contents comes last: a truncated one has none. A
    # directory is a sharded checkpoint, left for its loader to judge.
    return path.is_dir() or (path.is_file() and zipfile.is_zipfile(path))


def resume_from(runner: Any, checkpoint: str) -> None:
    """Have a Runner that is built, but has not begun, resume from a checkpoint.

    Its config, which is in the work dir and goes into every checkpoint, stays that of the training. The
    checkpoint holds all that an earlier stage left, so that its file may be gone by now: the model is no
    longer to open what ``init_from`` names.

    Args:
        runner: An mmengine Runner or FlexibleRunner.
        checkpoint: Path or URL.
    """
    runner._resume, runner._load_from = True, checkpoint
    without_files(runner.model, pretrained=False)
