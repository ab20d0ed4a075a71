"""Imports go one way, as CONTRIBUTING.md says, inside functions, too."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'labelenc_mm'
TOOLBOXES = {'mmengine', 'mmcv', 'mmdet', 'mmseg'}
# What a layer may import of the toolboxes, and which layers of ours it may not.
LAYERS = {
    'labels': (set(), {'networks', 'engine', 'detection', 'segmentation'}),
    'datasets': (set(), {'networks', 'engine', 'detection', 'segmentation'}),
    'networks': ({'mmengine', 'mmcv'}, {'engine', 'detection', 'segmentation'}),
    'engine': ({'mmengine', 'mmcv'}, {'detection', 'segmentation'}),
    'detection': (TOOLBOXES - {'mmseg'}, {'segmentation'}),
    'segmentation': (TOOLBOXES - {'mmdet'}, {'detection'}),
}


def imports(path):
    """Dotted names of all that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


@pytest.mark.parametrize('layer', LAYERS)
def test_a_layer_imports_none_that_comes_later(layer):
    allowed, later = LAYERS[layer]
    found = {(path.name, name) for path in (PACKAGE / layer).glob('*.py') for name in imports(path)}
    assert found
    unwanted = TOOLBOXES - allowed | {f'labelenc_mm.{name}' for name in later}
    assert [
        (file, n) for file, n in found if any(f'{n}.'.startswith(f'{u}.') for u in unwanted)
    ] == []
