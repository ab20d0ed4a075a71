"""The config inside a checkpoint: whether another one builds the same model. It is read without being run."""

import ast
from collections.abc import Iterator

from mmengine.config import Config

from labelenc_mm.engine.built_models import class_name
from labelenc_mm.handover.comparison import ExportError
from labelenc_mm.handover.export import Exporter

# Not part of the model that was trained: how it was trained, and what a user may choose later.
_FREE = ('train_cfg', 'test_cfg', 'init_cfg', 'pretrained', 'init_from')


def check_trained_config(text: str, config: Config, exporter: Exporter) -> None:
    """Refuse a config whose model is another than that of a checkpoint.

    Args:
        text: The config that the checkpoint holds.
        config: The one that was given for it.
        exporter: Of its toolbox; its subtree may differ.

    Raises:
        ExportError: They differ; lists the options.
    """
    trained, given = (dict(_options(each, exporter)) for each in (text, config.pretty_text))
    differing = [
        f'{key}: {given.get(key, "missing")} in the config, {trained.get(key, "missing")} trained'
        for key in sorted(trained.keys() | given.keys())
        if trained.get(key) != given.get(key)
    ]
    if differing:
        raise ExportError(
            'the checkpoint was trained with another model config:\n  '
            + '\n  '.join(differing)
            + '\nGive the config that the training left in its work dir'
        )


def _options(text: str, exporter: Exporter) -> Iterator[tuple[str, str]]:
    """The options of ``model`` in a dumped config."""
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise ExportError(f'the config inside the checkpoint cannot be read: {error}') from error
    free = (*_FREE, exporter.subtree)
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'model':
            for name, value in _leaves('model', node.value, free):
                is_type = name.endswith('.type')
                yield (
                    name,
                    class_name(value.strip('\'"'), exporter.models) if is_type else value,
                )


def _leaves(name: str, node: ast.expr, free: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
        children = [(str(keyword.arg), keyword.value) for keyword in node.keywords]
    elif isinstance(node, ast.Dict):
        children = [
            (ast.unparse(key).strip('\'"') if key else '**', value)
            for key, value in zip(node.keys, node.values, strict=True)
        ]
    elif isinstance(node, (ast.List, ast.Tuple)):
        children = [(str(index), value) for index, value in enumerate(node.elts)]
    else:
        yield name, ast.unparse(node)
        return
    for key, value in children:
        if key not in free:
            yield from _leaves(f'{name}.{key}', value, free)
