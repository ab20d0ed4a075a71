"""The plan of a recipe: its runs in order.

A stage becomes one run per combination of the grid variables and seeds that it, or a stage it
builds on, depends on. So what does not depend on a variable (the baseline of a loss-weight sweep,
step 1 under several variants of step 2) is run once and shared.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelenc_mm.recipes.checks import RecipeError, expect_known
from labelenc_mm.recipes.recipe import Recipe
from labelenc_mm.recipes.run import Run


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
    for name in _in_order(recipe, only):
        for point in recipe.points:
            for seed in recipe.seeds:
                known = {**built_in, **recipe.variables, **point, 'seed': seed}
                run = _make_run(recipe, name, known)
                twin = runs.setdefault(run.name, run)
                if twin.values != run.values:
                    raise RecipeError(
                        f'stage {name}: {twin.values} and {run.values} would share the folder '
                        f'{run.name}; use values that differ in letters or digits'
                    )
    return Plan(recipe, runs)


def _make_run(recipe: Recipe, stage: str, known: Mapping[str, Any]) -> Run:
    influences = _influences(recipe, stage)
    values = {name: known[name] for name in [*recipe.grid_names, 'seed'] if name in influences}
    needs = {name: _make_run(recipe, name, known).name for name in _needs(recipe, stage)}
    return Run(recipe.stages[stage], values, needs, dict(known))


def _needs(recipe: Recipe, stage: str) -> list[str]:
    """The stages that a stage names, in the recipe's order."""
    mentioned = recipe.stages[stage].mentions()
    return [name for name in recipe.stages if name in mentioned and name != stage]


def _influences(recipe: Recipe, stage: str) -> set[str]:
    """Names that a stage depends on, itself or through what it needs."""
    names = recipe.stages[stage].mentions()
    return names.union(*(_influences(recipe, other) for other in _needs(recipe, stage)))


def _in_order(recipe: Recipe, only: Iterable[str]) -> list[str]:
    order: list[str] = []

    def visit(name: str, waiting: tuple[str, ...]) -> None:
        if name in waiting:
            circle = ' -> '.join([*waiting, name])
            raise RecipeError(f'{recipe.path}: stages wait for each other: {circle}')
        if name not in order:
            for other in _needs(recipe, name):
                visit(other, (*waiting, name))
            order.append(name)

    for name in recipe.stages:
        if name in only:
            visit(name, ())
    return order
