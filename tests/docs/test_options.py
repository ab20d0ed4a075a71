"""The tables of docs/options.md are those of the constructors: every option, with its default."""

import inspect
import re
from pathlib import Path

import mmdet.registry
import mmengine.registry
import pytest

from labelenc_mm import detection, engine, networks

PAGE = (Path(__file__).resolve().parents[2] / 'docs' / 'options.md').read_text(encoding='utf-8')
SECTIONS = dict(re.findall(r'^## `(\w+)`\n(.*?)(?=^## |\Z)', PAGE, re.MULTILINE | re.DOTALL))
SOURCES = ('paper, ', 'code', 'ours', 'mmengine')


def rows(section):
    """Cells of the table of a section, without its head."""
    lines = re.findall(r'^\| *(.*?) *\|$', SECTIONS[section], re.MULTILINE)
    return [re.split(r' *\| *', line) for line in lines[2:]]


def find(name):
    """What configs call by this name."""
    for module in (detection, networks, engine):
        if name in module.__all__:
            return getattr(module, name)
    raise AssertionError(f'docs/options.md describes {name}, which nobody can find')


def options_of(cls):
    """Option -> default as the page writes it, from the constructor."""
    parameters = list(inspect.signature(cls).parameters.values())
    return {
        p.name: 'required' if p.default is p.empty else f'`{p.default!r}`'
        for p in parameters
        if p.kind is not p.VAR_KEYWORD
    }


@pytest.mark.parametrize('section', SECTIONS)
def test_options_and_defaults(section):
    table = {name.strip('`'): default for name, default, _, _ in rows(section)}
    assert table == options_of(find(section))


@pytest.mark.parametrize('section', SECTIONS)
def test_every_default_has_a_source(section):
    for name, default, source, what in rows(section):
        given = 'given by the Runner' in what or 'filled in' in what or 'options of [' in what
        assert source.startswith(SOURCES) or given, f'{section}: {name} = {default} from {source!r}'


def test_every_part_that_a_config_names_has_a_section():
    """Whatever this package registers and a config may build by type, but detectors and plain forms."""
    registries = [
        each
        for module in (mmengine.registry, mmdet.registry)
        for each in vars(module).values()
        if isinstance(each, mmengine.registry.Registry)
    ]
    ours = {
        name
        for each in registries
        for name, cls in each.module_dict.items()
        if inspect.isclass(cls)
        and cls.__module__.startswith('labelenc_mm.')
        and not hasattr(cls, 'stock_type')
        and not cls.__module__.startswith('labelenc_mm.benchmark')
    }
    assert ours == set(SECTIONS)
