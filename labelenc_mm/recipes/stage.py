"""A stage of a recipe, one kind of run: read and checked before anything runs."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labelenc_mm.recipes.checks import (
    RecipeError,
    expect,
    expect_keys,
    read_mapping,
)
from labelenc_mm.recipes.grid import expect_names, numbers, read_grid

PLACEHOLDER = re.compile(r'\{(\w+)\}')
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
        tta: Whether a test stage tests with the config's augmentation, ``--tta`` of our tools.
        requires: Stages that must finish first, besides those that a placeholder names.
        outputs: Files that a finished run must have left.
        cost: Of a train stage, what an epoch (or iteration) costs in those of the baseline.
        tries: Variables of this stage alone: a run for each of their points.
        choose: Where the best of such values is taken from.
    """

    name: str
    kind: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None
    tools: str | None = None
    tta: bool = False
    requires: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    cost: float | None = None
    tries: tuple[Mapping[str, Any], ...] = ({},)
    choose: 'Choice | None' = None

    def mentions(self) -> set[str]:
        """Names of variables and stages that the stage uses."""
        texts = [self.target, self.checkpoint, *self.outputs, *self.options.values()]
        return {name for text in texts for name in find_placeholders(text)} | set(self.requires)


@dataclass(frozen=True)
class Choice:
    """Trainings whose best value a stage takes.

    Attributes:
        trial: The stage with its own options over those of the stage that takes the value.
        by: A metric of the toolbox's log; its last value counts, and higher is better.
    """

    trial: Stage
    by: str

    @property
    def names(self) -> list[str]:
        """The variables that are chosen."""
        return list(self.trial.tries[0])


def find_placeholders(value: Any) -> set[str]:
    """Names in braces in a value, also inside lists."""
    if isinstance(value, str):
        return set(PLACEHOLDER.findall(value))
    if isinstance(value, list | tuple):
        return {name for item in value for name in find_placeholders(item)}
    return set()


def flatten(options: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Nested mappings to dotted keys, as ``--cfg-options`` wants them."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f'{prefix}{key}.'))
        else:
            flat[f'{prefix}{key}'] = value
    return flat


def read_stage(
    name: str, entry: Any, shared: Mapping[str, Any], forced: Mapping[str, Any], where: str
) -> Stage:
    """Check a stage.

    Args:
        name: Of the stage.
        entry: What the recipe says of it.
        shared: Options under those of its own.
        forced: Options over them.
        where: File and place, for messages.
    """
    known = (
        *KINDS,
        'options',
        'checkpoint',
        'tools',
        'tta',
        'requires',
        'outputs',
        'cost',
        'choose',
    )
    expect_keys(entry, known, where)
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
    expect(entry.get('tta', False), bool, f'{where}: tta', 'true or false')
    if entry.get('tta') and (kind != 'test' or entry.get('tools')):
        raise RecipeError(f'{where}: "tta" belongs to test stages of our tools')
    cost = numbers(entry.get('cost'))
    expect(cost, int | float | None, f'{where}: cost', 'a number')
    if cost is not None and (kind != 'train' or cost < 0):
        raise RecipeError(f'{where}: "cost" is of a train stage, and not below 0')
    for key in ('checkpoint', 'tools'):
        expect(entry.get(key) or '', str, f'{where}: {key}', 'one string')
    for key in ('requires', 'outputs'):
        expect(entry.get(key, []), list, f'{where}: {key}', 'a list')
    options: dict[str, Any] = {}
    if kind != 'command':
        options = {**shared, **flatten(read_mapping(entry, 'options', where)), **forced}
    if kind == 'train':
        options.setdefault('randomness.seed', '{seed}')
    stage = Stage(
        name,
        kind,
        entry[kind],
        options,
        entry.get('checkpoint'),
        entry.get('tools'),
        entry.get('tta', False),
        tuple(entry.get('requires', ())),
        tuple(entry.get('outputs', ())),
        cost,
    )
    if 'choose' in entry:
        stage = replace(stage, choose=_read_choice(stage, entry['choose'], forced, where))
    return stage


def _read_choice(stage: Stage, entry: Any, forced: Mapping[str, Any], where: str) -> Choice:
    if stage.kind != 'train':
        raise RecipeError(f'{where}: "choose" belongs to train stages')
    where = f'{where}: choose'
    expect_keys(entry, ('values', 'by', 'options'), where)
    expect(entry.get('by'), str, f'{where}: by', 'the name of a metric')
    expect(entry.get('values'), dict, f'{where}: values', 'a mapping of lists')
    points = numbers(read_grid(entry['values'], f'{where}: values'))
    expect_names(points[0], f'{where}: values')
    own = flatten(read_mapping(entry, 'options', where))
    options = {**stage.options, **own, **forced}
    if not points[0]:
        raise RecipeError(f'{where}: values: expected at least one variable')
    for name in points[0]:
        if not any(name in find_placeholders(value) for value in options.values()):
            raise RecipeError(f'{where}: values: {name} stands in no option of the stage')
    trial = replace(
        stage, name=f'{stage.name}_trial', options=options, outputs=(), tries=tuple(points)
    )
    return Choice(trial, entry['by'])


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
