"""The record that lies in every run's folder, and whether what lies there is what is wanted."""

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelenc_mm.files import replacing
from labelenc_mm.recipes.checks import RecipeError, expect
from labelenc_mm.recipes.run import Run

RECORD = 'recipe_run.json'
LOG = 'output.log'
_CONTENT = {
    'id': str,
    'inputs': dict,
    'wanted': dict,
    'commits': list,
    'seconds': int | float,
    'done': bool,
}


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of a run, ``None`` where nothing was run yet.

    It says what the run was asked for (``wanted``), with which versions of its inputs (``inputs``,
    ids of other records), since which commits, how long it has taken and whether it is done.

    Raises:
        RecipeError: The file is damaged.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
        expect(record, dict, 'the whole', 'a mapping')
        for key, kind in _CONTENT.items():
            expect(record.get(key), kind, key, getattr(kind, '__name__', str(kind)))
    except (OSError, ValueError, RecursionError) as error:  # a RecipeError is a ValueError
        fault = textwrap.shorten(str(error), 300)
        raise RecipeError(
            f'{path} is damaged, or no record of a run ({fault}); remove {folder} to run it again'
        ) from error
    return record


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write a record so that a kill leaves the old or the new one."""
    with replacing(folder / RECORD) as unfinished:
        unfinished.write_text(json.dumps(record, indent=1), encoding='utf-8')


def missing_outputs(run: Run, work_dir: Path) -> list[str]:
    """The files that a finished run should have left and that are not there."""
    outputs = [str(run.fill(output, work_dir)) for output in run.stage.outputs]
    return [output for output in outputs if not Path(output).exists()]


def read_state(run: Run, work_dir: Path) -> str:
    """Whether a run is ``done``, ``begun`` or ``new``.

    Raises:
        RecipeError: The folder holds a run that was asked for something else, or one whose inputs
            have been removed or replaced since; the message lists the differences.
    """
    folder = work_dir / run.name
    record = read_record(folder)
    if record is None:
        return 'new'
    remedy = f'Undo the change, or remove {folder} to run it again, or choose another --work-dir.'
    wanted = json.loads(json.dumps(run.wanted()))
    if record['wanted'] != wanted:
        difference = describe_difference(record['wanted'], wanted)
        raise RecipeError(
            f'{run.name} on disk was run with other settings:\n{difference}\n{remedy}'
        )
    for name, version in record['inputs'].items():
        found = read_record(work_dir / name) or {}
        if found.get('id') != version:
            raise RecipeError(
                f'{run.name} on disk used a {name} that was removed or replaced since. {remedy}'
            )
    return 'done' if record['done'] and not missing_outputs(run, work_dir) else 'begun'


def describe_difference(old: Mapping[str, Any], new: Mapping[str, Any], limit: int = 12) -> str:
    """The settings in which two runs differ, one a line."""
    unset = '(unset)'
    keys = [key for key in sorted({*old, *new}) if old.get(key, unset) != new.get(key, unset)]
    lines = [f'  {k}: {old.get(k, unset)} on disk, {new.get(k, unset)} now' for k in keys[:limit]]
    if len(keys) > limit:
        lines.append(f'  and {len(keys) - limit} more')
    return '\n'.join(lines)
