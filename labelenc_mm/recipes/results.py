"""Results of the runs that are done, read from the toolbox's logs."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
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

MOST_PLACES = 200
"""Of a curve of a training: losses are averaged over as many iterations as this takes."""


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
    training: Curves = field(default_factory=dict)
    """Losses and rates over iterations, as logged, where a plot asks for what validations have not."""
    cost: float | None = None
    """Of an epoch, or of an iteration where they are counted, in those of the baseline."""
    cost_before: float = 0
    """Of the trainings that it builds on."""

    @property
    def epochs(self) -> int | None:
        """How many the training had; None where iterations are counted."""
        return self.iterations // self.epoch_length if self.epoch_length else None

    def cost_at(self, step: float) -> float | None:
        """What has been spent by a step; None if the recipe does not say what one costs."""
        return None if self.cost is None else self.cost_before + self.cost * step

    def logged(self, metric: str) -> dict[int, float]:
        """Of the training, over iterations; empty where validations have this metric."""
        return {} if metric in self.curves else self.training.get(metric, {})

    def curve(self, metric: str, width: int = 1) -> list[tuple[float, float]]:
        """A metric over epochs, or iterations where they are counted.

        Args:
            metric: Of validations or, where they have none of it, of the training.
            width: Over so many iterations a training's is averaged; at the end of each such part.
        """
        logged = self.logged(metric)
        if not logged:
            return [(step, value) for step, value in self.curves.get(metric, {}).items()]
        parts: dict[int, list[float]] = {}
        for step, value in logged.items():
            parts.setdefault(-(-step // width), []).append(value)
        length = self.epoch_length or 1
        return [(part * width / length, fmean(values)) for part, values in parts.items()]

    def drops(self, metric: str) -> list[float]:
        """Where the rate, constant before, fell to its half or less; nothing for a metric of validations."""
        # The rate of a first group that does not learn is 0 all along.
        of_training = self.training.get('base_lr') or self.training.get('lr', {})
        rates = list(of_training.items()) if self.logged(metric) else []
        return [
            step / (self.epoch_length or 1)
            for (_, first), (_, before), (step, rate) in zip(
                rates, rates[1:], rates[2:], strict=False
            )
            if first == before >= 2 * rate and rate < before
        ]

    def total_cost(self) -> float | None:
        """Of the whole training, with those that it builds on."""
        return self.cost_at(self.iterations if self.epochs is None else self.epochs)

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
    drawn = {spec['metric'] for spec in plan.recipe.plots}
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
            read_curves(folder, training=True) if drawn - curves.keys() else {},
            run.stage.cost,
            sum((each.total_cost() or 0) - each.cost_before for each in before),
        )
    return list(results.values())


def _trained_before(plan: Plan, run: Run) -> set[str]:
    """Names of the runs that a run builds on, themselves or through others; not those of a choice."""
    needs = set(run.needs.values()) - run.trials.keys()
    return needs.union(*(_trained_before(plan, plan.runs[name]) for name in needs))
