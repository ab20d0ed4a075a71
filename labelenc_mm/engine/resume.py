"""Which checkpoint to resume from after a run was killed, whenever that happened."""

import zipfile
from pathlib import Path

from mmengine.logging import print_log


def find_resumable(work_dir: str) -> str | None:
    """Return the newest complete checkpoint of a work dir, or None.

    mmengine writes a checkpoint, then its path into ``last_checkpoint``; with ``max_keep_ckpts`` it
    deletes an older one before. A run that was killed between these steps leaves a truncated
    checkpoint, an empty ``last_checkpoint``, or one that names a deleted file; a copied work dir
    leaves paths of another place. In these cases the other checkpoints are looked through, that
    of the recorded name first, then from the newest on.

    Args:
        work_dir (str): Where the run wrote ``last_checkpoint`` and ``epoch_*.pth`` or
            ``iter_*.pth``.
    """
    folder = Path(work_dir)
    record = folder / 'last_checkpoint'
    named = record.read_text().strip() if record.is_file() else ''
    if named and ('://' in named or _is_complete(Path(named))):
        return named
    candidates = [*folder.glob('epoch_*.pth'), *folder.glob('iter_*.pth')]
    # By time, not by number: a work dir may hold those of an earlier run with other units. In a copied
    # one times may be those of the copying, and the name still holds.
    candidates.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    candidates.sort(key=lambda path: path.name != Path(named).name)
    for path in candidates:
        if _is_complete(path):
            print_log(
                f'{record} names {named or "nothing"}, which is missing or truncated; resuming '
                f'from {path} instead.',
                logger='current',
            )
            return str(path)
    if named:
        print_log(
            f'{record} names {named}, which is missing or truncated, and {folder} has no other '
            'complete checkpoint: starting from the beginning.',
            logger='current',
        )
    return None


def _is_complete(path: Path) -> bool:
    # torch writes zip files, whose table of contents comes last: a truncated one has none. A
    # directory is a sharded checkpoint, left for its loader to judge.
    return path.is_dir() or (path.is_file() and zipfile.is_zipfile(path))
