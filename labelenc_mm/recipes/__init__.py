"""Recipes: chains of trainings over a grid of options and seeds, ending in a table and plots.

A recipe is a YAML file (:mod:`labelenc_mm.recipes.recipe` describes it). It is unrolled into runs
(:mod:`~labelenc_mm.recipes.plan`), each run is a process in a folder of its own
(:mod:`~labelenc_mm.recipes.execute`), its results are read from the toolbox's logs
(:mod:`~labelenc_mm.recipes.logs`) and reported (:mod:`~labelenc_mm.recipes.report`).
The command line is ``tools/run_recipe.py``. Nothing here knows a method or a task.
"""

from labelenc_mm.recipes.checks import RecipeError, read_yaml
from labelenc_mm.recipes.choice import decide
from labelenc_mm.recipes.execute import Executor
from labelenc_mm.recipes.launch import LaunchSettings, command_line, expect_startable
from labelenc_mm.recipes.plan import Plan, make_plan
from labelenc_mm.recipes.recipe import Recipe, read_recipe
from labelenc_mm.recipes.record import read_state
from labelenc_mm.recipes.report import write_report
from labelenc_mm.recipes.run import Run

__all__ = [
    'Executor',
    'LaunchSettings',
    'Plan',
    'Recipe',
    'RecipeError',
    'Run',
    'command_line',
    'decide',
    'expect_startable',
    'make_plan',
    'read_recipe',
    'read_state',
    'read_yaml',
    'write_report',
]
