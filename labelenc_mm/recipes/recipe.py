"""The recipe file: what it may say, read and checked before anything runs.

.. code-block:: yaml

    variables: {epochs: 12}             # constants; ``--set epochs=1`` changes one
    options:                            # config options of every train and test stage
      train_cfg.max_epochs: '{epochs}'
    grid: {weight: [0.5, 1.0]}          # combinations; or a list of points, [{weight: 0.5}, ...]
    seeds: [0, 1, 2]
    average: []                         # variables of the grid over which results are averaged, as over seeds
    stages:
      data:
        command: '{python} {recipe_dir}/make_data.py {work_dir}/data'
        outputs: ['{work_dir}/data/train.json']    # files that it must leave
      baseline: {train: baseline.py, requires: [data], cost: 1}
      step1: {train: step1.py, requires: [data], outputs: ['{step1}/label_encoding.safetensors'], cost: 2}
      step2:
        train: step2.py                 # beside this file, or below the current folder
        requires: [data]
        cost: 1.4                       # of an epoch, in epochs of the baseline; that of step1 is added
        options:
          model.labelenc.init_from: '{step1}/label_encoding.safetensors'
          model.labelenc.loss_weight: '{weight}'
          optim_wrapper.optimizer.lr: '{lr}'
        choose:                         # a training for each, with these options, whose best value is taken
          values: {lr: [0.01, 0.02]}
          by: coco/bbox_mAP             # higher is better
          options: {randomness.seed: 0, val_dataloader.dataset.ann_file: held_out.json}
      stock: {test: baseline.py, checkpoint: '{step2}/exported_detector.pth', tools: mmdet}
      flipped: {test: baseline.py, checkpoint: '{baseline}/last_checkpoint', tta: true}  # as with --tta
    table:
      metrics: {AP: coco/bbox_mAP}      # heading: name of the metric in the toolbox's log
      rows: {Baseline: baseline, Ours: step2}      # label: stage, or {stage:, metrics:, pick:}
      pick: last                        # or best
      reach: {metric: coco/bbox_mAP, stage: baseline}   # a column: first epoch at another's end result
      quarters: [AP]                    # columns: after a quarter, the half, three quarters
    plots:                              # x: epoch, iteration, cost or a variable; file: in --work-dir
      - {metric: coco/bbox_mAP, label: AP, stages: [baseline, step2], x: epoch, file: curves.png}
      - {metric: mIoU, stages: {Ours: step2}, x: weight, x_scale: log, spread: deviation, file: weights.png}
      - {metric: loss, x: iteration, file: loss.png}    # of the training, where no validation has it

A config may also be what a training leaves of its own, complete: ``{baseline}/baseline.py``, or one of
the installed package: ``labelenc_mm::labelenc/...py``.

``{name}`` stands for a variable, for ``seed``, or for the folder of another stage's run, which then
has to finish first. Also known: ``{work_dir}`` (of the recipe), ``{recipe_dir}``, ``{tools}`` (the
folder of our tools) and ``{python}``. A string that is one placeholder keeps the type of the value.
Every training gets ``randomness.seed={seed}`` unless its options say otherwise.
A stage depends on the variables that it names, itself or through other stages. So trainings before a
``choose`` whose options fix the seed and all variables but its own run once, whatever the grid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelenc_mm.recipes.checks import (
    RecipeError,
    expect,
    expect_keys,
    expect_known,
    read_mapping,
    read_yaml,
)
from labelenc_mm.recipes.grid import expect_names, numbers, read_grid
from labelenc_mm.recipes.stage import Stage, flatten, read_stage
from labelenc_mm.recipes.table_and_plots import read_plots, read_table

BUILT_IN = ('work_dir', 'recipe_dir', 'tools', 'python')


@dataclass(frozen=True)
class Recipe:
    """A checked recipe; see the module's text for the fields."""

    path: Path
    stages: dict[str, Stage]
    variables: dict[str, Any]
    points: list[dict[str, Any]]
    seeds: list[int]
    table: dict[str, Any]
    plots: list[dict[str, Any]]
    average: list[str] = field(default_factory=list)

    @property
    def grid_names(self) -> list[str]:
        """The variables of the grid."""
        return list(self.points[0])


def read_recipe(
    path: str | Path,
    *,
    seeds: Sequence[int] | None = None,
    variables: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Recipe:
    """Read and check a recipe file.

    Args:
        path: The YAML file.
        seeds: Replace the recipe's seeds.
        variables: Replace values of the recipe's ``variables``, or fix a variable of its grid.
        options: Config options put over those of every train and test stage.

    Raises:
        RecipeError: The file cannot be read or says something unknown; the message names the place.
    """
    path = Path(path)
    where = f'cannot read the recipe {path}'
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f'{where}: {error}') from error
    raw = read_yaml(text, where)
    known = ('variables', 'options', 'grid', 'seeds', 'average', 'stages', 'table', 'plots')
    expect_keys(raw, known, str(path))

    constants = numbers(read_mapping(raw, 'variables', str(path)))
    points = numbers(read_grid(raw.get('grid', {}), f'{path}: grid'))
    expect(raw.get('stages'), dict, f'{path}: stages', 'a mapping of stage names')
    for key, names in (('variables', constants), ('grid', points[0]), ('stages', raw['stages'])):
        expect_names(names, f'{path}: {key}')
    variables = numbers(variables or {})
    expect_known(variables, [*constants, *points[0]], f'{path}: --set', 'variable')
    constants.update({k: v for k, v in variables.items() if k in constants})
    fixed = {k: v for k, v in variables.items() if k in points[0]}
    points = [{**point, **fixed} for point in points]
    points = [point for i, point in enumerate(points) if point not in points[:i]]

    shared = flatten(read_mapping(raw, 'options', str(path)))
    forced = flatten(options or {})
    stages = {
        name: read_stage(name, entry, shared, forced, f'{path}: stages: {name}')
        for name, entry in raw['stages'].items()
    }
    chosen = list(seeds) if seeds is not None else raw.get('seeds', [0])
    expect(chosen, list, f'{path}: seeds', 'a list of whole numbers')
    if not chosen or not all(type(s) is int for s in chosen) or len(set(chosen)) != len(chosen):
        raise RecipeError(f'{path}: seeds: expected different whole numbers, found {chosen}')
    average = raw.get('average') or []
    expect(average, list, f'{path}: average', 'a list of variables of the grid')
    expect_known(average, points[0], f'{path}: average', 'variable of the grid')
    kinds = {name: stage.kind for name, stage in stages.items()}
    table = read_table(raw.get('table') or {}, kinds, f'{path}: table')
    plots = read_plots(raw.get('plots') or [], kinds, points, f'{path}: plots')
    recipe = Recipe(path.resolve(), stages, constants, points, chosen, table, plots, average)
    _check_names(recipe)
    return recipe


def _check_names(recipe: Recipe) -> None:
    """Every placeholder means one thing."""
    choices = [stage.choose for stage in recipe.stages.values() if stage.choose]
    stages = [*recipe.stages.values(), *(choice.trial for choice in choices)]
    known = [*recipe.variables, *recipe.grid_names, *recipe.stages, *BUILT_IN, 'seed']
    chosen = {name for choice in choices for name in choice.names}  # by one stage or by several
    names = [*known, *chosen, *(choice.trial.name for choice in choices)]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise RecipeError(f'{recipe.path}: {", ".join(doubled)} would mean two things; rename one')
    for stage in stages:
        where = f'{recipe.path}: stages: {stage.name}'
        expect_known(stage.requires, recipe.stages, f'{where}: requires', 'stage')
        own = [*stage.tries[0], *(stage.choose.names if stage.choose else ())]
        expect_known(sorted(stage.mentions()), [*known, *own], where, 'placeholder')
