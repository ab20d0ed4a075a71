"""Imports go one way, as CONTRIBUTING.md draws it, inside functions, too."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'labelenc_mm'
TOOLBOXES = {'mmengine', 'mmcv', 'mmdet', 'mmseg'}
# Room -> what it may import of ours beside itself, and of the toolboxes.
BELOW = {'errors', 'files', 'labels', 'toolbox', 'networks', 'engine', 'handover'}
SUBJECTS = {'detection', 'segmentation', 'pretraining', 'datasets', 'evaluation', 'command_line'}
ROOMS = {
    'errors': (set(), set()),
    'files': (set(), set()),
    'labels': (set(), set()),
    'toolbox': ({'errors', 'files'}, {'mmengine'}),
    'shape_scenes': ({'files', 'labels'}, set()),
    'networks': ({'errors', 'labels', 'toolbox'}, {'mmengine', 'mmcv'}),
    'engine': ({'errors', 'files', 'labels', 'toolbox', 'networks'}, {'mmengine', 'mmcv'}),
    'handover': (BELOW - {'handover'}, {'mmengine', 'mmcv'}),
    'detection': (BELOW, TOOLBOXES - {'mmseg'}),
    'segmentation': (BELOW, TOOLBOXES - {'mmdet'}),
    'datasets': (BELOW | {'segmentation'}, TOOLBOXES - {'mmdet'}),
    'evaluation': (BELOW | {'segmentation'}, TOOLBOXES - {'mmdet'}),
    'pretraining': (BELOW | {'segmentation'}, TOOLBOXES - {'mmdet'}),
    'command_line': (BELOW, {'mmengine', 'mmcv'}),
    'recipes': ({'errors', 'files', 'toolbox', 'command_line'}, {'mmengine'}),
    'benchmark': (BELOW | SUBJECTS, TOOLBOXES),
    'analysis': (BELOW | SUBJECTS, TOOLBOXES),
}


def files_of(room):
    folder = PACKAGE / room
    return sorted(folder.rglob('*.py')) if folder.is_dir() else [folder.with_suffix('.py')]


def nodes_that_run(tree):
    """All nodes of a syntax tree, those inside functions too, but for what type checkers alone read."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING'):
            yield node
            yield from nodes_that_run(node)


def imports(path, nodes=ast.walk):
    """Dotted names of all that a file imports."""
    for node in nodes(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def test_contributing_draws_these_imports():
    page = (PACKAGE.parent / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    layout = page.partition('## Layout')[2].partition('\n## ')[0]
    drawing = layout.partition('```text\n')[2].partition('```')[0].replace('\n ', ' ')
    drawn = {room: set(names) for room, *names in map(str.split, drawing.splitlines())}
    table = re.findall(r'^\| `(\w+)` \|.*\| ([\w, ]+) \|$', layout, re.MULTILINE)
    toolboxes = {room: set(names.split(', ')) - {'nothing'} for room, names in table}
    assert drawn == {room: ours for room, (ours, _) in ROOMS.items()}
    assert toolboxes == {room: theirs for room, (_, theirs) in ROOMS.items()}
    rows = list(drawn)
    for row, room in enumerate(rows):
        assert drawn[room] <= set(rows[row + 1 :]), f'{room} imports what is drawn above it'


def test_every_room_is_named():
    rooms = {p.stem for p in PACKAGE.iterdir() if p.suffix == '.py' or (p / '__init__.py').exists()}
    assert rooms - {'__init__'} == set(ROOMS)


@pytest.mark.parametrize('room', ROOMS)
def test_a_room_imports_none_that_stands_above(room):
    ours, toolboxes = ROOMS[room]
    unwanted = []
    for path in files_of(room):
        for name in imports(path):
            first, _, rest = name.partition('.')
            second = rest.split('.')[0]
            is_ours = first == 'labelenc_mm' and second in set(ROOMS) - ours - {room}
            if is_ours or first in TOOLBOXES - toolboxes:
                unwanted.append((path.relative_to(PACKAGE).as_posix(), name))
    assert unwanted == []


def imports_of_modules():
    """Module -> the modules of the package that it imports, inside functions, too."""
    modules = {}
    for path in PACKAGE.rglob('*.py'):
        parts = path.relative_to(PACKAGE.parent).with_suffix('').parts
        modules['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    graph = {}
    for module, path in modules.items():
        names = imports(path, nodes_that_run)
        found = {name if name in modules else name.rpartition('.')[0] for name in names}
        graph[module] = found & modules.keys() - {module}
    return graph


def test_no_module_imports_itself_by_way_of_others():
    graph = imports_of_modules()
    done, circles = set(), []

    def visit(name, path):
        if name in path:
            circles.append([*path[path.index(name) :], name])
        elif name not in done:
            for other in sorted(graph[name]):
                visit(other, [*path, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    assert circles == []
