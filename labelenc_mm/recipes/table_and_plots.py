"""Table and plots of a recipe, read and checked before anything runs."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelenc_mm.recipes.checks import (
    RecipeError,
    expect,
    expect_keys,
    expect_known,
    read_mapping,
)

PROGRESS = ('epoch', 'iteration', 'cost')
"""Axes along which a training goes on."""


def read_table(table: Any, kinds: Mapping[str, str], where: str) -> dict[str, Any]:
    """Check ``table``.

    Args:
        table: What the recipe says.
        kinds: Each stage's kind.
        where: File and place, for messages.

    Returns:
        dict[str, Any]: ``metrics`` (heading -> name in the toolbox's log), ``rows`` (label -> ``stage``,
        ``metrics`` and ``pick``; without any, one a training and test), ``reach`` and ``quarters``.
    """
    expect_keys(table, ('metrics', 'rows', 'pick', 'reach', 'quarters'), where)
    reach = table.get('reach')
    if reach is not None:
        expect_keys(reach, ('metric', 'stage'), f'{where}: reach')
        expect(reach.get('metric'), str, f'{where}: reach: metric', 'the name of a metric')
        expect_known([reach.get('stage')], kinds, f'{where}: reach', 'stage')
    metrics = _read_metrics(table, where)
    default = {stage: stage for stage, kind in kinds.items() if kind != 'command'}
    rows = {}
    for label, row in (read_mapping(table, 'rows', where) or default).items():
        row = {'stage': row} if isinstance(row, str) else row
        expect_keys(row, ('stage', 'metrics', 'pick'), f'{where}: {label}')
        expect_known([row.get('stage')], kinds, f'{where}: {label}', 'stage')
        row = {'metrics': metrics, 'pick': table.get('pick', 'last'), **row}
        expect_known([row['pick']], ('last', 'best'), f'{where}: {label}', 'pick')
        rows[str(label)] = {**row, 'metrics': _read_metrics(row, f'{where}: {label}')}
    quarters = table.get('quarters') or []
    expect(quarters, list, f'{where}: quarters', 'a list of headings of metrics')
    expect_known(quarters, metrics, f'{where}: quarters', 'heading of a metric')
    return {'metrics': metrics, 'rows': rows, 'reach': reach, 'quarters': quarters}


def _read_metrics(parent: Mapping[str, Any], where: str) -> dict[str, str]:
    metrics = read_mapping(parent, 'metrics', where)
    for heading, metric in metrics.items():
        expect(metric, str, f'{where}: metrics: {heading}', 'the name of a metric')
    return {str(heading): metric for heading, metric in metrics.items()}


def read_plots(
    plots: Any, kinds: Mapping[str, str], points: Sequence[Mapping[str, Any]], where: str
) -> list[dict[str, Any]]:
    """Check ``plots``.

    Args:
        plots: What the recipe says.
        kinds: Each stage's kind.
        points: Points of the grid.
        where: File and place, for messages.

    Returns:
        list[dict[str, Any]]: Each with ``metric``, ``stages`` (label -> stage; trainings if it names none),
        ``x``, ``file``, ``x_scale`` (of Matplotlib), ``spread`` (a band of the ``range`` of all values, or
        bars of one standard ``deviation``) and, where it is given, ``label``.
    """
    expect(plots, list, where, 'a list')
    trainings = [stage for stage, kind in kinds.items() if kind == 'train']
    checked: list[dict[str, Any]] = []
    for plot in plots:
        expect_keys(plot, ('metric', 'stages', 'x', 'file', 'label', 'x_scale', 'spread'), where)
        plot = {
            'x': 'epoch',
            'file': 'plot.png',
            'x_scale': 'linear',
            'spread': 'range',
            **plot,
        }
        expect_known([plot['x_scale']], ('linear', 'log'), f'{where}: x_scale', 'scale')
        expect_known([plot['spread']], ('range', 'deviation'), f'{where}: spread', 'spread')
        if not isinstance(plot.get('metric'), str):
            raise RecipeError(f'{where}: every plot names a "metric", found {plot}')
        stages = plot.get('stages') or trainings
        expect(stages, list | dict, f'{where}: stages', 'a list, or a mapping of labels to stages')
        plot['stages'] = stages if isinstance(stages, dict) else {name: name for name in stages}
        expect_known(plot['stages'].values(), kinds, where, 'stage')
        expect_known([plot['x']], (*PROGRESS, *points[0]), where, 'x axis')
        places = [point[plot['x']] for point in points if plot['x'] in point]
        if not any(all(isinstance(p, kind) for p in places) for kind in (int | float, str)):
            raise RecipeError(
                f'{where}: x: {plot["x"]} has the values {places}; an axis is of numbers alone, or '
                'of text alone'
            )
        if plot['x_scale'] == 'log' and not all(
            isinstance(p, int | float) and p > 0 for p in places
        ):
            raise RecipeError(
                f'{where}: x: {plot["x"]} has the values {places}; x_scale: log is for positive numbers'
            )
        _expect_new_file(plot['file'], [other['file'] for other in checked], where)
        checked.append(plot)
    return checked


def _expect_new_file(file: Any, others: Iterable[str], where: str) -> None:
    from matplotlib.backend_bases import FigureCanvasBase

    expect(file, str, f'{where}: file', 'a path below the folder of the runs')
    if os.path.isabs(file) or os.path.normpath(file).split(os.sep)[0] == os.pardir:
        raise RecipeError(f'{where}: file {file}: expected a path below the folder of the runs')
    endings = FigureCanvasBase.get_supported_filetypes()
    expect_known([Path(file).suffix[1:].lower()], endings, f'{where}: file {file}', 'ending')
    if os.path.normpath(file) in map(os.path.normpath, others):
        raise RecipeError(f'{where}: two plots go to {file}; give each a "file" of its own')
