"""The recipe file: what it may say, read and checked before anything runs.

.. code-block:: yaml

    variables: {epochs: 12}             # constants; ``--set epochs=1`` changes one
    options:                            # config options of every train and test stage
      train_cfg.max_epochs: '{epochs}'
    grid: {weight: [0.5, 1.0]}          # combinations; or a list of points, [{weight: 0.5}, ...]
    seeds: [0, 1, 2]
    stages:
      data:
        command: '{python} {recipe_dir}/make_data.py {work_dir}/data'
        outputs: ['{work_dir}/data/train.json']    # files that it must leave
      baseline: {train: baseline.py, requires: [data]}
      step1: {train: step1.py, requires: [data], outputs: ['{step1}/label_encoding.safetensors']}
      step2:
        train: step2.py                 # beside this file, or below the current folder
        requires: [data]
        options:
          model.labelenc.init_from: '{step1}/label_encoding.safetensors'
          model.labelenc.loss_weight: '{weight}'
      stock: {test: baseline.py, checkpoint: '{step2}/exported_detector.pth', tools: mmdet}
    table:
      metrics: {AP: coco/bbox_mAP}      # heading: name of the metric in the toolbox's log
      rows: {Baseline: baseline, Ours: step2}      # label: stage, or {stage:, metrics:, pick:}
      pick: last                        # or best
      reach: {metric: coco/bbox_mAP, stage: baseline}   # a column: first epoch at another's end result
    plots:                              # x: epoch, iteration or a variable of the grid; file: in --work-dir
      - {metric: coco/bbox_mAP, label: AP, stages: [baseline, step2], x: epoch, file: curves.png}

A config may also be what a training leaves of its own, complete: ``{baseline}/baseline.py``, or one of
the installed package: ``labelenc_mm::labelenc/...py``.

``{name}`` stands for a variable, for ``seed``, or for the folder of another stage's run, which then
has to finish first. Also known: ``{work_dir}`` (of the recipe), ``{recipe_dir}``, ``{tools}`` (the
folder of our tools) and ``{python}``. A string that is one placeholder keeps the type of the value.
Every training gets ``randomness.seed={seed}`` unless its options say otherwise.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
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
from labelenc_mm.recipes.table_and_plots import read_plots, read_table

PLACEHOLDER = re.compile(r'\{(\w+)\}')
NAME = re.compile(r'\w+')
EXPONENT = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+')
BUILT_IN = ('work_dir', 'recipe_dir', 'tools', 'python')
KINDS = ('train', 'test', 'command')


@dataclass(frozen=True)
class Stage:
    """One kind of run: a training, an evaluation or a command.

    Attributes:
        kind: ``train``, ``test`` or ``command``.
        target: The config, or the command line as one string.
        options: Config options, dotted key to value (not for commands).
        checkpoint: What a test stage evaluates; a file named ``last_checkpoint`` is followed.
        tools: Whose ``train.py`` and ``test.py``: ``None`` for ours, ``mmdet`` or ``mmseg``.
        requires: Stages that must finish first, besides those that a placeholder names.
        outputs: Files that a finished run must have left.
    """

    name: str
    kind: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None
    tools: str | None = None
    requires: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def mentions(self) -> set[str]:
        """Names of variables and stages that the stage uses."""
        texts = [self.target, self.checkpoint, *self.outputs, *self.options.values()]
        return {name for text in texts for name in find_placeholders(text)} | set(self.requires)


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

    @property
    def grid_names(self) -> list[str]:
        """The variables of the grid."""
        return list(self.points[0])


def find_placeholders(value: Any) -> set[str]:
    """Names in braces in a value, also inside lists."""
    if isinstance(value, str):
        return set(PLACEHOLDER.findall(value))
    if isinstance(value, list | tuple):
        return {name for item in value for name in find_placeholders(item)}
    return set()


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
    known = ('variables', 'options', 'grid', 'seeds', 'stages', 'table', 'plots')
    expect_keys(raw, known, str(path))

    constants = _numbers(read_mapping(raw, 'variables', str(path)))
    points = _numbers(_read_grid(raw.get('grid', {}), f'{path}: grid'))
    expect(raw.get('stages'), dict, f'{path}: stages', 'a mapping of stage names')
    for key, names in (('variables', constants), ('grid', points[0]), ('stages', raw['stages'])):
        _expect_names(names, f'{path}: {key}')
    variables = _numbers(variables or {})
    expect_known(variables, [*constants, *points[0]], f'{path}: --set', 'variable')
    constants.update({k: v for k, v in variables.items() if k in constants})
    fixed = {k: v for k, v in variables.items() if k in points[0]}
    points = [{**point, **fixed} for point in points]
    points = [point for i, point in enumerate(points) if point not in points[:i]]

    shared = flatten(read_mapping(raw, 'options', str(path)))
    forced = flatten(options or {})
    stages = {
        name: _read_stage(name, entry, shared, forced, f'{path}: stages: {name}')
        for name, entry in raw['stages'].items()
    }
    chosen = list(seeds) if seeds is not None else raw.get('seeds', [0])
    expect(chosen, list, f'{path}: seeds', 'a list of whole numbers')
    if not chosen or not all(type(s) is int for s in chosen) or len(set(chosen)) != len(chosen):
        raise RecipeError(f'{path}: seeds: expected different whole numbers, found {chosen}')
    kinds = {name: stage.kind for name, stage in stages.items()}
    table = read_table(raw.get('table') or {}, kinds, f'{path}: table')
    plots = read_plots(raw.get('plots') or [], kinds, points, f'{path}: plots')
    recipe = Recipe(path.resolve(), stages, constants, points, chosen, table, plots)
    _check_names(recipe)
    return recipe


def _expect_names(names: Iterable[Any], where: str) -> None:
    for name in names:
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise RecipeError(
                f'{where}: "{name}" cannot be written as a placeholder; names are of letters, digits '
                'and _, in quotes where YAML would read something else (1, on, off, yes, no)'
            )


def flatten(options: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Nested mappings to dotted keys, as ``--cfg-options`` wants them."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f'{prefix}{key}.'))
        else:
            flat[f'{prefix}{key}'] = value
    return flat


def _read_stage(
    name: str, entry: Any, shared: Mapping[str, Any], forced: Mapping[str, Any], where: str
) -> Stage:
    expect_keys(entry, (*KINDS, 'options', 'checkpoint', 'tools', 'requires', 'outputs'), where)
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        raise RecipeError(f'{where}: expected one of {", ".join(KINDS)}, found {kinds or "none"}')
    kind = kinds[0]
    expect(entry[kind], str, f'{where}: {kind}', 'one string')
    if (kind == 'test') != bool(entry.get('checkpoint')):
        raise RecipeError(f'{where}: a test stage, and no other, names a "checkpoint"')
    if kind == 'command' and ('options' in entry or 'tools' in entry):
        raise RecipeError(f'{where}: "options" and "tools" belong to train and test stages')
    if kind == 'command':
        _expect_words(entry[kind], f'{where}: {kind}')
    for key in ('checkpoint', 'tools'):
        expect(entry.get(key) or '', str, f'{where}: {key}', 'one string')
    for key in ('requires', 'outputs'):
        expect(entry.get(key, []), list, f'{where}: {key}', 'a list')
    options: dict[str, Any] = {}
    if kind != 'command':
        options = {**shared, **flatten(read_mapping(entry, 'options', where)), **forced}
    if kind == 'train':
        options.setdefault('randomness.seed', '{seed}')
    return Stage(
        name,
        kind,
        entry[kind],
        options,
        entry.get('checkpoint'),
        entry.get('tools'),
        tuple(entry.get('requires', ())),
        tuple(entry.get('outputs', ())),
    )


def _expect_words(command: str, where: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RecipeError(
            f'{where}: cannot be split into words ({error}): {command}; close every quote, and put '
            'a backslash before one that is meant as it stands'
        ) from error
    if not words:
        raise RecipeError(f'{where}: expected a program and its arguments, found nothing')


def _numbers(value: Any) -> Any:
    """Nested values with what YAML 1.1 takes for text, 1e-3, as the number that is meant."""
    if isinstance(value, Mapping):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    is_number = isinstance(value, str) and EXPONENT.fullmatch(value)
    return float(value) if is_number else value


def _read_grid(grid: Any, where: str) -> list[dict[str, Any]]:
    grid = {} if grid is None else grid
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            expect(values, list, f'{where}: {name}', 'a list of values')
            if not values:
                raise RecipeError(f'{where}: {name}: expected at least one value')
        return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    expect(grid, list, where, 'a mapping of lists, or a list of points')
    if not grid:
        raise RecipeError(f'{where}: expected at least one point')
    for point in grid:
        expect(point, dict, where, 'points that are mappings')
        if set(point) != set(grid[0]):
            raise RecipeError(f'{where}: {point} sets other variables than {grid[0]}')
    return [dict(point) for point in grid]


def _check_names(recipe: Recipe) -> None:
    """Every placeholder means one thing."""
    known = [*recipe.variables, *recipe.grid_names, *recipe.stages, *BUILT_IN, 'seed']
    doubled = sorted({name for name in known if known.count(name) > 1})
    if doubled:
        raise RecipeError(f'{recipe.path}: {", ".join(doubled)} would mean two things; rename one')
    for stage in recipe.stages.values():
        where = f'{recipe.path}: stages: {stage.name}'
        expect_known(stage.requires, recipe.stages, f'{where}: requires', 'stage')
        expect_known(sorted(stage.mentions()), known, where, 'placeholder')
