"""Forms of a model in a table: configs of one stock model are compared with it, the first row."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from labelenc_mm.benchmark.known_tasks import find_task
from labelenc_mm.benchmark.task import Task
from labelenc_mm.command_line.config import read_config

Forms = dict[str, Config]


def load_configs(paths: Sequence[str], options: dict[str, Any] | None = None) -> Forms:
    """Configs by the name of the form: that of the file, or the path where two files have one name."""
    configs: Forms = {}
    for path in paths:
        config = read_config(path, options)
        if not config.get('optim_wrapper'):
            raise ValueError(f'{path} has no optim_wrapper: its iteration has no optimizer')
        name = Path(path).stem
        configs[str(Path(path).with_suffix('')) if name in configs else name] = config
    return configs


def with_label_shares(configs: Forms, shares: Sequence[float]) -> Forms:
    """LabelEnc in one run with several shares of the images in place of that of its config.

    Args:
        configs: By the name of the form.
        shares: Each is a form.

    Raises:
        ValueError: No config trains in one run.
    """
    forms: Forms = {}
    for name, config in configs.items():
        labelenc = config.model.get('labelenc') or {}
        if labelenc.get('stage') != 'one-run':
            forms[name] = config
            continue
        for share in shares:
            forms[f'{name}, share {share:g}'] = form = copy.deepcopy(config)
            form.model.labelenc.label_share = share
    if forms.keys() == configs.keys():
        raise ValueError(
            "--label-shares is of trainings in one run, and no config has labelenc.stage='one-run'"
        )
    return forms


def find_common_task(configs: Forms) -> Task:
    """The task of all configs."""
    tasks = {type(task): task for task in map(find_task, configs.values())}
    if len(tasks) > 1:
        names = ' and '.join(sorted(kind.__name__.lower() for kind in tasks))
        raise ValueError(f'{names} cannot be compared; measure them one by one')
    return next(iter(tasks.values()))


def group_forms(
    configs: Forms, task: Task, baseline: str | None = None, with_plain: bool = False
) -> list[Forms]:
    """Forms to compare, in groups whose first is what the others are compared with.

    Args:
        configs: By the name of the form.
        task: Of all of them.
        baseline: The name of the one that all others are compared with; by default each is compared with
            its stock model.
        with_plain: Whether the plain form of each has a row, too.
    """
    groups: dict[str, Forms] = {}
    if baseline is not None:
        groups[''] = {baseline: configs[baseline]}
    for name, config in configs.items():
        if name == baseline:
            continue
        key = ''
        if baseline is None:
            stock = task.stock_config(config)
            key = json.dumps([stock.model, stock.optim_wrapper], sort_keys=True, default=str)
            groups.setdefault(key, {task.first_row(stock): stock})
        groups[key][name] = config
        if with_plain:
            groups[key][f'{name}, plain'] = task.plain_config(config)
    return list(groups.values())
