"""Choice of values by trial runs: a learning rate on held-out images, say."""

import math
from dataclasses import replace
from pathlib import Path

from labelenc_mm.recipes.checks import RecipeError
from labelenc_mm.recipes.logs import last_values, read_curves
from labelenc_mm.recipes.record import read_record
from labelenc_mm.recipes.run import Run


def read_scores(run: Run, work_dir: Path) -> dict[str, float]:
    """What each trial of a run has reached, by the trial's name; empty until all of them are done.

    Raises:
        RecipeError: The log of a trial has no such metric.
    """
    scores = {}
    for name in run.trials:
        record = read_record(work_dir / name)
        if not record or not record['done']:
            return {}
        found = last_values(read_curves(work_dir / name))
        by = run.stage.choose.by if run.stage.choose else ''
        if by not in found:
            raise RecipeError(
                f'stage {run.stage.name}: choose: by: the log of {name} has no {by}; its validation has '
                f'left {", ".join(found) or "nothing"}'
            )
        scores[name] = found[by]
    return scores


def best_trial(scores: dict[str, float]) -> str:
    """The name of the highest score, of the first one where several are equal."""
    return max(scores, key=lambda name: -math.inf if math.isnan(scores[name]) else scores[name])


def decide(run: Run, work_dir: Path) -> Run:
    """The run with the best values of its trials, or as it is until these are done."""
    scores = read_scores(run, work_dir)
    if not scores:
        return run
    return replace(run, known={**run.known, **run.trials[best_trial(scores)]})
