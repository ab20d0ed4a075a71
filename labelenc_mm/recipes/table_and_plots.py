"""What a recipe says about its table and its plots, read and checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelenc_mm.recipes.checks import (
    RecipeError,
    expect,
    expect_keys,
    expect_known,
    read_mapping,
)


def read_table(table: Any, kinds: Mapping[str, str], where: str) -> dict[str, Any]:
    """Check ``table``.

    Args:
        table: What the recipe says.
        kinds: Each stage's kind.
        where: File and place, for messages.

    Returns:
        dict[str, Any]: ``metrics`` (heading -> name in the toolbox's log), ``rows`` (label -> ``stage``,
        ``metrics`` and ``pick``; without any, one a training and test) and ``reach``.
    """
    expect_keys(table, ('metrics', 'rows', 'pick', 'reach'), where)
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
    return {'metrics': metrics, 'rows': rows, 'reach': reach}


def _read_metrics(parent: Mapping[str, Any], where: str) -> dict[str, str]:
    metrics = read_mapping(parent, 'metrics', where)
    for heading, metric in metrics.items():
        expect(metric, str, f'{where}: metrics: {heading}', 'the name of a metric')
    return {str(heading): metric for heading, metric in metrics.items()}


def read_plots(plots: Any, kinds: Mapping[str, str], where: str) -> list[dict[str, Any]]:
    """Check ``plots``; arguments as of :func:`read_table`.

    Returns:
        list[dict[str, Any]]: Each with ``metric``, ``stages`` (trainings if it names none), ``x``,
        ``file`` and, where it is given, ``label``.
    """
    expect(plots, list, where, 'a list')
    checked = []
    for plot in plots:
        expect_keys(plot, ('metric', 'stages', 'x', 'file', 'label'), where)
        if 'metric' not in plot:
            raise RecipeError(f'{where}: every plot names a "metric", found {plot}')
        chosen = plot.get('stages') or [stage for stage, kind in kinds.items() if kind == 'train']
        expect_known(chosen, kinds, where, 'stage')
        checked.append({'x': 'epoch', 'file': 'plot.png', **plot, 'stages': chosen})
    return checked
