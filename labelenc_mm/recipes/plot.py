"""A plot of a recipe: a metric over epochs, iterations or a variable of the grid."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelenc_mm.files import replacing
from labelenc_mm.recipes.results import MOST_PLACES, Result
from labelenc_mm.recipes.table_and_plots import PROGRESS


def write_plot(spec: dict[str, Any], results: Sequence[Result], path: Path) -> None:
    """One line per stage and point of the grid: the mean over runs, and how far they spread.

    A metric that no validation has is a loss or a rate of the training; dotted lines show drops of the rate.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.add_subplot()
    metric, x = spec['metric'], spec['x']
    for name, stage in spec['stages'].items():
        of_stage = [result for result in results if result.stage == stage]
        for label, line in _plot_lines(name, of_stage, metric, x).items():
            _draw_line(axes, label, dict(sorted(line.items())), spec['spread'])
        drops = {_place(r, d, x) for r in of_stage if x in PROGRESS for d in r.drops(metric)}
        for place in drops:
            if place is not None:
                axes.axvline(place, color='gray', linestyle=':')
    label = 'cost, in epochs of the baseline' if x == 'cost' else x
    axes.set(xlabel=label, ylabel=spec.get('label', metric), xscale=spec['x_scale'])
    if spec['x_scale'] == 'log' and x not in PROGRESS:
        places = sorted({result.values[x] for result in results if x in result.values})
        axes.set_xticks(places, list(map(str, places)))  # not as powers of ten
        axes.set_xticks([], minor=True)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=120)


def _draw_line(axes: Any, label: str, line: dict[Any, list[float]], spread: str) -> None:
    places, values = list(line), list(line.values())
    means = [statistics.mean(v) for v in values]
    if spread == 'deviation':
        bars = [statistics.stdev(v) if len(v) > 1 else 0 for v in values]
        axes.errorbar(places, means, bars, marker='.', capsize=3, label=label)
        return
    marker = '.' if len(places) < MOST_PLACES / 2 else ''
    drawn = axes.plot(places, means, marker=marker, label=label)
    if any(len(v) > 1 for v in values):
        lowest, highest = map(min, values), map(max, values)
        color = drawn[0].get_color()
        axes.fill_between(places, list(lowest), list(highest), alpha=0.2, color=color)


def _plot_lines(
    name: str, results: Sequence[Result], metric: str, x: str
) -> dict[str, dict[Any, list[float]]]:
    """Label -> place on the x axis -> one value per seed."""
    lines: dict[str, dict[Any, list[float]]] = {}
    width = _width([result.logged(metric) for result in results])
    for result in results:
        label = ', '.join([name, *(f'{k}={v}' for k, v in result.point.items() if k != x)])
        line = lines.setdefault(label, {})
        if x not in PROGRESS:
            if x in result.values and metric in result.metrics:
                line.setdefault(result.values[x], []).append(result.metrics[metric])
            continue
        for step, value in result.curve(metric, width):
            place = _place(result, step, x)
            if place is not None:
                line.setdefault(place, []).append(value)
    return {label: line for label, line in lines.items() if line}


def _width(logged: Sequence[dict[int, float]]) -> int:
    """Iterations that are averaged, the same for all runs of a stage: they have their places in common."""
    if max(map(len, logged), default=0) <= MOST_PLACES:
        return 1
    return -(-max(max(curve, default=0) for curve in logged) // MOST_PLACES)


def _place(result: Result, step: float, x: str) -> float | None:
    """Where an epoch, or iteration, lies on an axis along which a training goes on."""
    if x == 'iteration':
        return step * (result.epoch_length or 1)
    return result.cost_at(step) if x == 'cost' else step
