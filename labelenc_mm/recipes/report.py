"""The end of a recipe: a table with the spread over seeds, all numbers as json, and plots."""

import json
import statistics
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from labelenc_mm.files import replacing
from labelenc_mm.recipes.checks import RecipeError
from labelenc_mm.recipes.choice import best_trial, read_scores
from labelenc_mm.recipes.plan import Plan
from labelenc_mm.recipes.plot import write_plot
from labelenc_mm.recipes.results import Result, collect_results

QUARTERS = {'1/4': 0.25, '1/2': 0.5, '3/4': 0.75}


def make_table(plan: Plan, results: Iterable[Result]) -> list[dict[str, Any]]:
    """One row per line of the recipe's table and point of the grid; numbers as lists over seeds."""
    results = list(results)
    rows = []
    for label, spec in plan.recipe.table['rows'].items():
        of_stage = [result for result in results if result.stage == spec['stage']]
        points = [
            r.point
            for i, r in enumerate(of_stage)
            if r.point not in [o.point for o in of_stage[:i]]
        ]
        for point in points:
            group = [result for result in of_stage if result.point == point]
            metrics = {
                heading: [v for r in group if (v := r.pick(metric, spec['pick'])) is not None]
                for heading, metric in spec['metrics'].items()
            }
            rows.append(
                {
                    'run': label,
                    'point': point,
                    'metrics': metrics,
                    'seeds': [r.values['seed'] for r in group if 'seed' in r.values],
                    'epochs': [r.epochs for r in group if r.epochs is not None],
                    'iterations': [r.iterations for r in group],
                    'seconds': [r.seconds for r in group],
                    'costs': [cost for r in group if (cost := r.total_cost()) is not None],
                    'quarters': {
                        f'{heading} at {text}': [
                            v for r in group if (v := r.after(metric, share)) is not None
                        ]
                        for heading, metric in spec['metrics'].items()
                        if heading in plan.recipe.table['quarters']
                        for text, share in QUARTERS.items()
                    },
                }
            )
            if reach := plan.recipe.table['reach']:
                rows[-1]['reached'] = first_to_reach(group, results, **reach)
    return rows


def first_to_reach(
    group: Sequence[Result], results: Iterable[Result], metric: str, stage: str
) -> list[int | None]:
    """Per run, the first validated epoch at which it is as good as another stage is at its end.

    Args:
        group: Runs of one point of the grid.
        results: All runs; of ``stage`` count those of the same point, their mean over seeds.
        metric: What is compared; higher is better.
        stage: Whose end is the goal.

    Returns:
        Epochs (iterations in an iteration-based training), None for a run that never gets there.
    """
    point = group[0].point
    goals = [
        r.metrics.get(metric)
        for r in results
        if r.stage == stage and r.point.items() <= point.items()
    ]
    known = [goal for goal in goals if goal is not None]
    if not known:
        return []
    goal = statistics.mean(known)
    steps = ([step for step, v in r.curves.get(metric, {}).items() if v >= goal] for r in group)
    return [min(places, default=None) for places in steps]


def format_table(
    rows: Sequence[dict[str, Any]],
    metrics: Sequence[str],
    reach: str | None = None,
    count_runs: bool = False,
) -> str:
    """Markdown, readable as plain text too.

    Args:
        rows: Of :func:`make_table`.
        metrics: Headings of the first columns of numbers.
        reach: The stage of the column of that name.
        count_runs: Whether to give the number of runs in place of their seeds.
    """
    variables = list(dict.fromkeys(name for row in rows for name in row['point']))
    headings = list(dict.fromkeys([*metrics, *(name for row in rows for name in row['metrics'])]))
    quarters = list(dict.fromkeys(name for row in rows for name in row['quarters']))
    epochs = ['epochs'] if any(row['epochs'] for row in rows) else []
    costs = ['cost'] if any(row['costs'] for row in rows) else []
    reaches = [f'reaches {reach} at'] if reach else []
    which = 'runs' if count_runs else 'seeds'
    cells = [
        [
            'run',
            *variables,
            *costs,
            *headings,
            *quarters,
            *reaches,
            which,
            *epochs,
            'iterations',
            'time',
        ]
    ]
    for row in rows:
        cells.append(
            [
                row['run'],
                *(str(row['point'].get(name, '')) for name in variables),
                *(f'{max(row["costs"]):.3g}' if row['costs'] else '-' for _ in costs),
                *(format_spread(row['metrics'].get(name, [])) for name in headings),
                *(format_spread(row['quarters'].get(name, [])) for name in quarters),
                *(format_reached(row.get('reached', [])) for _ in reaches),
                str(len(row['seconds'])) if count_runs else ' '.join(map(str, row['seeds'])),
                *(str(max(row['epochs'], default='')) for _ in epochs),
                str(max(row['iterations'], default=0) or ''),
                format_seconds(statistics.mean(row['seconds'])),
            ]
        )
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [
        '| ' + ' | '.join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + ' |'
        for line in cells
    ]
    rule = '|' + '|'.join('-' * (w + 2) for w in widths) + '|'
    return '\n'.join([lines[0], rule, *lines[1:]])


def format_spread(values: Sequence[float]) -> str:
    """Mean, and the standard deviation over seeds (n - 1) where there are several; - for none."""
    if not values:
        return '-'
    digits = 3 if max(map(abs, values)) <= 1 else 2
    mean = f'{statistics.mean(values):.{digits}f}'
    return f'{mean} ± {statistics.stdev(values):.{digits}f}' if len(values) > 1 else mean


def format_reached(epochs: Sequence[int | None]) -> str:
    """The mean over seeds that got there, and how many did where not all; - for none."""
    there = [epoch for epoch in epochs if epoch is not None]
    if not there:
        return '-'
    mean = f'{statistics.mean(there):.3g}'
    return mean if len(there) == len(epochs) else f'{mean} ({len(there)} of {len(epochs)})'


def format_seconds(seconds: float) -> str:
    """``1 h 02 min``, ``3.5 min`` or ``12 s``."""
    if seconds < 100:
        return f'{seconds:.0f} s'
    minutes = seconds / 60
    return (
        f'{minutes:.1f} min'
        if minutes < 60
        else f'{int(minutes) // 60} h {int(minutes) % 60:02d} min'
    )


def write_report(plan: Plan, work_dir: Path) -> str:
    """Write ``table.md``, ``results.json`` and the plots; returns the table with its notes."""
    results = collect_results(plan, work_dir)
    rows = make_table(plan, results)
    commits = sorted({commit for result in results for commit in result.commits})
    missing = [run.name for run in plan.runs.values() if run.name not in {r.name for r in results}]
    notes = [
        f'Recipe {plan.recipe.path.name}, seeds {" ".join(map(str, plan.recipe.seeds))}, '
        f'commit {", ".join(commits) or "unknown"}; time and iterations are per run.'
    ]
    over = ['seeds'] if len(plan.recipe.seeds) > 1 else []
    if over := [*plan.recipe.average, *over]:
        notes.append(f'Mean ± standard deviation over {" and ".join(over)}.')
    choices = read_choices(plan, work_dir)
    notes += [format_choice(choice) for choice in choices]
    if missing:
        notes.append(f'Not finished: {", ".join(missing)}.')
    table = plan.recipe.table
    goal = table['reach']['stage'] if table['reach'] else None
    text = '\n'.join(
        [
            format_table(rows, list(table['metrics']), goal, bool(plan.recipe.average)),
            '',
            *notes,
            '',
        ]
    )
    with replacing(work_dir / 'table.md') as unfinished:
        unfinished.write_text(text, encoding='utf-8')
    content = {
        'recipe': plan.recipe.path.name,
        'seeds': plan.recipe.seeds,
        'commits': commits,
        'table': rows,
        'choices': choices,
        'missing': missing,
        'runs': {result.name: _facts(result) for result in results},
    }
    with replacing(work_dir / 'results.json') as unfinished:
        unfinished.write_text(json.dumps(content, indent=1), encoding='utf-8')
    for spec in plan.recipe.plots:
        write_plot(spec, results, work_dir / spec['file'])
    return text


def _facts(result: Result) -> dict[str, Any]:
    """What is kept of a run: not all of its log, which is in its folder."""
    return {name: value for name, value in vars(result).items() if name != 'training'}


def read_choices(plan: Plan, work_dir: Path) -> list[dict[str, Any]]:
    """What was chosen by trials that are done, each choice once."""
    choices: list[dict[str, Any]] = []
    for run in plan.runs.values():
        scores: dict[str, float] = {}
        with suppress(RecipeError):  # which the run has ended in
            scores = read_scores(run, work_dir)
        if not scores or scores.keys() in [each['scores'].keys() for each in choices]:
            continue
        stage = run.stage
        by = stage.choose.by if stage.choose else ''
        values = dict(run.trials[best_trial(scores)])
        choices.append({'stage': stage.name, 'values': values, 'by': by, 'scores': scores})
    return choices


def format_choice(choice: dict[str, Any]) -> str:
    """A sentence."""
    values = ', '.join(f'{name} {value}' for name, value in choice['values'].items())
    scores = ', '.join(f'{name} {format_spread([v])}' for name, v in choice['scores'].items())
    return f'{choice["stage"]}: {values}, by {choice["by"]} of {scores}.'
