"""The tables of docs/options.md are those of the constructors: every option, with its default."""

import inspect
import re
from pathlib import Path

import mmdet.registry
import mmengine.registry
import mmseg.registry
import pytest
from torch import nn

from labelenc_mm import detection, engine, networks, segmentation

PAGE = (Path(__file__).resolve().parents[2] / 'docs' / 'options.md').read_text(encoding='utf-8')
SECTIONS = dict(re.findall(r'^## `(\w+)`\n(.*?)(?=^## |\Z)', PAGE, re.MULTILINE | re.DOTALL))
TAPPED = segmentation.tapped_backbone  # a part that is no class
SOURCES = ('paper, ', 'code', 'ours', 'mmengine', 'mmseg', 'VGG')


def rows(section):
    """Cells of the table of a section, without its head."""
    lines = re.findall(r'^\| *(.*?) *\|$', SECTIONS[section], re.MULTILINE)
    return [re.split(r' *\| *', line) for line in lines[2:]]


def registered():
    """What this package registers and a config may build by type, by name."""
    registries = [
        each
        for module in (mmengine.registry, mmdet.registry, mmseg.registry)
        for each in vars(module).values()
        if isinstance(each, mmengine.registry.Registry)
    ]
    return {
        name: part
        for each in registries
        for name, part in each.module_dict.items()
        if part.__module__.startswith('labelenc_mm.')
    }


def find(name):
    """What configs call by this name."""
    for module in (detection, segmentation, networks, engine):
        if name in module.__all__:
            return getattr(module, name)
    if name in registered():
        return registered()[name]
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
        given = given or default == 'required'
        assert source.startswith(SOURCES) or given, f'{section}: {name} = {default} from {source!r}'


def test_every_part_that_a_config_names_has_a_section():
    """Whatever a config may build by type, but whole stock models with ours in them."""
    parts = {k: v for k, v in registered().items() if inspect.isclass(v) or v is TAPPED}
    ours = {
        name
        for name, part in parts.items()
        if not (hasattr(part, 'stock_type') and issubclass(part, nn.Module))
    }
    assert ours == set(SECTIONS)
