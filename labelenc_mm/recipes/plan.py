"""The plan of a recipe: its runs in order.

A stage becomes one run per combination of the grid variables and seeds that it, or a stage it
builds on, depends on. So what does not depend on a variable (the baseline of a loss-weight sweep,
step 1 under several variants of step 2) is run once and shared.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from labelenc_mm.recipes.checks import RecipeError, expect_known
from labelenc_mm.recipes.recipe import Recipe
from labelenc_mm.recipes.run import Run
from labelenc_mm.recipes.stage import Stage


@dataclass(frozen=True)
class Plan:
    """The runs of a recipe by name, in an order in which each comes after those that it needs."""

    recipe: Recipe
    runs: dict[str, Run]


def make_plan(
    recipe: Recipe, work_dir: Path, tools_dir: Path, only: Iterable[str] | None = None
) -> Plan:
    """Unroll a recipe.

    Args:
        recipe: A checked recipe.
        work_dir: Its folder.
        tools_dir: Folder of ``train.py`` and ``test.py``.
        only: Stages to run; those that they need come along. ``None``: all.

    Raises:
        RecipeError: Stages that wait for each other, an unknown stage, two runs of one name.
    """
    only = list(recipe.stages) if only is None else list(only)
    expect_known(only, recipe.stages, str(recipe.path), 'stage')
    built_in = {
        'work_dir': str(work_dir),
        'recipe_dir': str(recipe.path.parent),
        'tools': str(tools_dir),
        'python': sys.executable,
    }
    runs: dict[str, Run] = {}
    for stage in _in_order(recipe, only):
        for point, seed, own in product(recipe.points, recipe.seeds, stage.tries):
            run = _make_run(
                recipe, stage, {**built_in, **recipe.variables, **point, 'seed': seed, **own}
            )
            twin = runs.setdefault(run.name, run)
            if twin.values != run.values:
                raise RecipeError(
                    f'stage {stage.name}: {twin.values} and {run.values} would share the folder '
                    f'{run.name}; use values that differ in letters or digits'
                )
    return Plan(recipe, runs)


def _make_run(recipe: Recipe, stage: Stage, known: Mapping[str, Any]) -> Run:
    influences = _influences(recipe, stage)
    variables = [*recipe.grid_names, *stage.tries[0], 'seed']
    values = {name: known[name] for name in variables if name in influences}
    needs = {other.name: _make_run(recipe, other, known).name for other in _needs(recipe, stage)}
    if stage.choose is None:
        return Run(stage, values, needs, dict(known))
    trial = stage.choose.trial
    trials = {_make_run(recipe, trial, {**known, **own}).name: own for own in trial.tries}
    unknown = {name: f'<{name}>' for name in stage.choose.names}
    needs.update({name: name for name in trials})
    return Run(stage, values, needs, {**known, **unknown}, trials)


def _needs(recipe: Recipe, stage: Stage) -> list[Stage]:
    """The stages that a stage names, in the recipe's order."""
    mentioned = stage.mentions() - {stage.name}
    return [other for other in recipe.stages.values() if other.name in mentioned]


def _before(recipe: Recipe, stage: Stage) -> list[Stage]:
    """Those, and the trainings by which a value is chosen."""
    return _needs(recipe, stage) + ([stage.choose.trial] if stage.choose else [])


def _influences(recipe: Recipe, stage: Stage) -> set[str]:
    """Names that a stage depends on, itself or through what it needs."""
    before = _before(recipe, stage)
    names = stage.mentions().union(*(_influences(recipe, other) for other in before))
    return names.difference(stage.choose.names if stage.choose else ())


def _in_order(recipe: Recipe, only: Iterable[str]) -> list[Stage]:
    order: dict[str, Stage] = {}

    def visit(stage: Stage, waiting: tuple[str, ...]) -> None:
        if stage.name in waiting:
            circle = ' -> '.join([*waiting, stage.name])
            raise RecipeError(f'{recipe.path}: stages wait for each other: {circle}')
        if stage.name not in order:
            for other in _before(recipe, stage):
                visit(other, (*waiting, stage.name))
            order[stage.name] = stage

    for name in recipe.stages:
        if name in only:
            visit(recipe.stages[name], ())
    return list(order.values())
