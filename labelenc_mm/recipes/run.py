"""One run of a stage: its folder's name, its placeholders, its config and what it was asked for."""

import argparse
import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from labelenc_mm.recipes.checks import RecipeError
from labelenc_mm.recipes.recipe import BUILT_IN
from labelenc_mm.recipes.stage import PLACEHOLDER, Stage, find_placeholders


@dataclass(frozen=True)
class Run:
    """One process with its own folder.

    Attributes:
        values: The grid variables and the seed that this run depends on.
        needs: Per stage that this one builds on, the name of the run.
        known: What each placeholder stands for in this run, stages excepted; in angle brackets what is to be
            chosen.
        trials: Runs by which that is chosen, with what each of them tries.
    """

    stage: Stage
    values: dict[str, Any]
    needs: dict[str, str]
    known: dict[str, Any]
    trials: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Folder name: the stage and the values that tell it from the stage's other runs."""
        return '-'.join([self.stage.name, *(f'{k}={_slug(v)}' for k, v in self.values.items())])

    def fill(self, value: Any, folder: Path | None = None) -> Any:
        """Replace the placeholders in a value.

        Args:
            value: Any option value; lists are entered.
            folder: Parent of the runs' folders. ``None`` keeps names in place of paths, so that
                what a run was asked for does not depend on where folders lie.
        """
        if isinstance(value, list | tuple):
            return [self.fill(item, folder) for item in value]
        if not isinstance(value, str):
            return value
        if whole := PLACEHOLDER.fullmatch(value):
            return self._look_up(whole[1], folder)
        return PLACEHOLDER.sub(lambda match: str(self._look_up(match[1], folder)), value)

    def _look_up(self, name: str, folder: Path | None) -> Any:
        run = self.name if name == self.stage.name else self.needs.get(name)
        if run is not None:
            return str(folder / run) if folder else f'<{run}>'
        if folder is None and name in BUILT_IN:
            return f'<{name}>'
        return self.known[name]

    @property
    def config_is_made(self) -> bool:
        """Whether another stage's run leaves the config, as trainings do with their own."""
        return any(name in self.needs for name in find_placeholders(self.stage.target))

    def config_path(self, folder: Path | None = None) -> Path:
        """The config file of a train or test stage; ``folder`` as in :meth:`fill`.

        Raises:
            RecipeError: The file does not exist.
        """
        name = str(self.fill(self.stage.target, folder))
        if name.startswith('labelenc_mm::'):
            import labelenc_mm

            try:
                return Path(labelenc_mm.config(name.removeprefix('labelenc_mm::')))
            except FileNotFoundError as error:
                raise RecipeError(f'stage {self.stage.name}: {error}') from error
        if self.config_is_made:
            return Path(name)
        tried = [Path(self.known['recipe_dir']) / name, Path(name)]
        for path in tried:
            if path.is_file():
                return path
        looked = ' and '.join(map(str, tried))
        raise RecipeError(f'stage {self.stage.name}: found no config {name}; looked at {looked}')

    def option_strings(self, folder: Path | None = None) -> list[str]:
        """``key=value`` for ``--cfg-options``; ``folder`` as in :meth:`fill`."""
        options = self.stage.options.items()
        return [f'{key}={_as_option(key, self.fill(value, folder))}' for key, value in options]

    def wanted(self) -> dict[str, Any]:
        """Everything that decides what the run computes, flat, for comparison with what is on disk.

        For train and test stages this is the resolved config: a change in any base config shows. A
        config that another run leaves follows from what that one was asked for.

        Raises:
            RecipeError: The config cannot be read, or not together with the options.
        """
        wanted: dict[str, Any] = {'kind': self.stage.kind, 'needs': sorted(self.needs.values())}
        if self.stage.kind == 'command':
            return {**wanted, 'command': self.fill(self.stage.target)}
        if self.stage.tools:
            wanted['tools'] = self.stage.tools
        if self.stage.tta:
            wanted['tta'] = True
        if self.stage.checkpoint:
            wanted['checkpoint'] = self.fill(self.stage.checkpoint)
        if self.config_is_made:
            config_file = self.fill(self.stage.target)
            return {**wanted, 'config': config_file, 'options': self.option_strings()}
        path, options = self.config_path(), _parse_options(self.option_strings())
        try:
            config = copy.deepcopy(_read_config(path))
            if self.stage.tools is None and any(key.split('.')[0] not in config for key in options):
                from labelenc_mm.command_line.config import check_top_level  # slow to import

                check_top_level(config, options)
            config.merge_from_dict(options)
        except Exception as error:  # a config is code and may raise anything
            raise RecipeError(
                f'stage {self.stage.name}: {path} cannot be read with the options {options}: '
                f'{type(error).__name__}: {error}'
            ) from error
        return {**wanted, **_flat('', config.to_dict())}


def _slug(value: Any) -> str:
    return re.sub(r'[^\w.+-]+', '_', str(value)).strip('_') or 'empty'


def _as_option(key: str, value: Any) -> str:
    """One value as mmengine's ``DictAction`` reads it."""
    if isinstance(value, list | tuple):
        return '[' + ','.join(_as_option(key, item) for item in value) + ']'
    if isinstance(value, Mapping):
        raise RecipeError(
            f'option {key}: --cfg-options cannot carry a mapping that is empty or inside of a list; '
            'set it in a child config'
        )
    text = str(value)
    if isinstance(value, str) and re.search(r'[\s,()\[\]\'"]', text):
        raise RecipeError(
            f'option {key}: --cfg-options cannot carry "{text}", which has blanks, commas, '
            'brackets or quotes; use a path without them, or set the value in a child config'
        )
    return text


def _parse_options(strings: list[str]) -> dict[str, Any]:
    """What ``train.py`` will make of the options."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    return parser.parse_args(['--cfg-options', *strings] if strings else []).cfg_options


def forget_configs() -> None:
    """Have configs read anew, as a process that starts now does."""
    _read_config.cache_clear()


@lru_cache(maxsize=32)
def _read_config(path: Path) -> Any:
    """Parse a config without importing what it names: the run does that, in its own process."""
    from mmengine.config import Config

    import labelenc_mm  # noqa: F401  makes the config names of this package known

    return Config.fromfile(path, import_custom_modules=False)


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping | list) for v in value):
        items = enumerate(value)
    elif isinstance(value, str | int | float | bool | None):
        return {prefix: value}
    else:
        return {prefix: repr(value)}
    flat: dict[str, Any] = {}
    for key, item in items:
        flat.update(_flat(f'{prefix}.{key}' if prefix else str(key), item))
    return flat
