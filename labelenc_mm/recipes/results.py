"""Results of the runs that are done, read from the toolbox's logs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelenc_mm.recipes.logs import (
    Curves,
    last_values,
    read_curves,
    read_progress,
    read_test_metrics,
)
from labelenc_mm.recipes.plan import Plan
from labelenc_mm.recipes.record import LOG, read_record
from labelenc_mm.recipes.run import Run


@dataclass
class Result:
    """What one finished run gave."""

    name: str
    stage: str
    values: dict[str, Any]
    point: dict[str, Any]
    """The values but the seed and what is averaged: runs of one point are averaged."""
    seconds: float
    iterations: int
    epoch_length: int
    commits: list[str]
    metrics: dict[str, float]
    curves: Curves = field(default_factory=dict)
    cost: float | None = None
    """Of an epoch, or of an iteration where they are counted, in those of the baseline."""
    cost_before: float = 0
    """Of the trainings that it builds on."""

    def cost_at(self, step: int) -> float | None:
        """What has been spent by a step; None if the recipe does not say what one costs."""
        return None if self.cost is None else self.cost_before + self.cost * step

    def total_cost(self) -> float | None:
        """Of the whole training, with those that it builds on."""
        return self.cost_at(self.iterations // (self.epoch_length or 1))

    def after(self, metric: str, share: float) -> float | None:
        """The value at the last validation up to a share of the training."""
        end = share * self.iterations / (self.epoch_length or 1)
        return next((v for s, v in reversed(self.curves.get(metric, {}).items()) if s <= end), None)

    def pick(self, metric: str, how: str) -> float | None:
        """The last or the best (highest) value of a metric."""
        if how == 'best' and metric in self.curves:
            return max(self.curves[metric].values())
        return self.metrics.get(metric)


def collect_results(plan: Plan, work_dir: Path) -> list[Result]:
    """Read the results of the runs that are done."""
    results: dict[str, Result] = {}
    averaged = {'seed', *plan.recipe.average}
    for run in plan.runs.values():
        folder = work_dir / run.name
        record = read_record(folder)
        if not record or not record['done']:
            continue
        progress = read_progress(folder / LOG, whole=True) if run.stage.kind == 'train' else None
        iterations = length = 0
        if progress:
            length = progress.epoch_length
            # mmengine leaves out the line of an incomplete logging interval at the end of an epoch
            iterations = progress.epoch * length or progress.iteration
        curves = read_curves(folder)
        metrics = last_values(curves)
        if run.stage.kind != 'train':  # somebody may have tested another checkpoint in its folder
            metrics.update(read_test_metrics(folder))
        before = [results[name] for name in _trained_before(plan, run) if name in results]
        results[run.name] = Result(
            run.name,
            run.stage.name,
            run.values,
            {key: value for key, value in run.values.items() if key not in averaged},
            record['seconds'],
            iterations,
            length,
            record['commits'],
            metrics,
            curves,
            run.stage.cost,
            sum((each.total_cost() or 0) - each.cost_before for each in before),
        )
    return list(results.values())


def _trained_before(plan: Plan, run: Run) -> set[str]:
    """Names of the runs that a run builds on, themselves or through others; not those of a choice."""
    needs = set(run.needs.values()) - run.trials.keys()
    return needs.union(*(_trained_before(plan, plan.runs[name]) for name in needs))
