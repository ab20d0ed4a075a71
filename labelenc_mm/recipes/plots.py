"""Plots of a recipe: a metric of its runs over epochs, iterations or a variable of the grid."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelenc_mm.files import replacing
from labelenc_mm.recipes.results import Result


def write_plot(spec: dict[str, Any], results: Sequence[Result], path: Path) -> None:
    """One line per stage and point of the grid: the mean over seeds, in a band of all of them."""
    from matplotlib.figure import Figure  # takes a while, which only the end of a recipe needs

    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.add_subplot()
    metric, x = spec['metric'], spec['x']
    for stage in spec['stages']:
        of_stage = [result for result in results if result.stage == stage]
        for label, line in _plot_lines(stage, of_stage, metric, x).items():
            places = sorted(line)
            values = [line[place] for place in places]
            drawn = axes.plot(places, [statistics.mean(v) for v in values], marker='.', label=label)
            if any(len(v) > 1 for v in values):
                axes.fill_between(
                    places,
                    [min(v) for v in values],
                    [max(v) for v in values],
                    alpha=0.2,
                    color=drawn[0].get_color(),
                )
    axes.set(xlabel=x, ylabel=spec.get('label', metric))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=120)


def _plot_lines(
    stage: str, results: Sequence[Result], metric: str, x: str
) -> dict[str, dict[Any, list[float]]]:
    """Label -> place on the x axis -> one value per seed."""
    lines: dict[str, dict[Any, list[float]]] = {}
    for result in results:
        label = ', '.join([stage, *(f'{k}={v}' for k, v in result.point.items() if k != x)])
        line = lines.setdefault(label, {})
        if x not in ('epoch', 'iteration'):
            if x in result.values and metric in result.metrics:
                line.setdefault(result.values[x], []).append(result.metrics[metric])
            continue
        for step, value in result.curves.get(metric, {}).items():
            place = step * (result.epoch_length or 1) if x == 'iteration' else step
            line.setdefault(place, []).append(value)
    return {label: line for label, line in lines.items() if line}
