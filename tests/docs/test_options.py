"""The tables of docs/options.md are those of the constructors' docstrings."""

import re
import runpy
from pathlib import Path

import pytest

from labelenc_mm import detection, engine, networks, pretraining, segmentation

DOCS = Path(__file__).resolve().parents[2] / 'docs'
generator = runpy.run_path(str(DOCS / 'write_options.py'))
PAGE = (DOCS / 'options.md').read_text(encoding='utf-8')
SECTIONS = dict(re.findall(r'^## `(\w+)`\n(.*?)(?=^## |\Z)', PAGE, re.MULTILINE | re.DOTALL))


def rows(section):
    """Cells of the table of a section, without its head."""
    lines = re.findall(r'^\| *(.*?) *\|$', SECTIONS[section], re.MULTILINE)
    return [re.split(r' *(?<!\\)\| *', line) for line in lines[2:]]


def find(name):
    """What configs call by this name."""
    for module in (detection, segmentation, pretraining, networks, engine):
        if name in module.__all__:
            return getattr(module, name)
    return generator['parts']()[name]


def test_the_page_is_what_the_generator_writes():
    wanted = generator['rewrite'](PAGE)
    assert wanted == PAGE, 'python docs/write_options.py writes it'


@pytest.mark.parametrize('section', SECTIONS)
def test_every_option_has_an_entry_with_default_and_description(section):
    expected = {
        p.name: 'required' if p.default is p.empty else f'`{p.default!r}`'
        for p in generator['options'](find(section))
    }
    assert {name.strip('`'): default for name, default, _, _ in rows(section)} == expected
    assert all(len(text) > 3 for *_, text in rows(section))


@pytest.mark.parametrize(
    ('section', 'option', 'source'),
    [
        ('LabelEncodingHead', 'distance_begin', 'sec. 4.1'),
        ('FrozenLabelEncodingHead', 'init_neck', 'code'),
        ('LabelEncoder', 'stem_channels', 'Table 8; code'),
        ('FrozenLabelDecoderHead', 'loss_decode', 'sec. 4.1 and 4.2'),
        ('TappedBackbone', 'probe_size', ''),
    ],
)
def test_source_is_what_the_docstring_names(section, option, source):
    assert {name.strip('`'): cell for name, _, cell, _ in rows(section)}[option] == source


def part(width: int = 3, name: str = 'a|b') -> None:
    """A part.

    Args:
        width: Of ``x`` (sec. 2.1 and Table 3), see :class:`~labelenc_mm.networks.LabelEncoder`; in the
            released code 4.
        name: Of :class:`.TrainingWindow` or :func:`other`.

    Returns:
        None: nothing.
    """


part.__module__ = 'labelenc_mm.networks.part'


def test_a_docstring_becomes_a_table():
    assert generator['table'](part, {'LabelEncoder'}).split('\n')[2:-2] == [
        '| `width` | `3` | sec. 2.1; Table 3; code | Of `x`, see '
        '[LabelEncoder](#labelencoder); in the released code 4. |',
        "| `name` | `'a|b'` | | Of [limits](#limits) or `other`. |".replace('a|b', r'a\|b'),
    ]


def test_what_is_written_by_hand_stays_and_a_table_is_replaced():
    hand = PAGE.replace('## `LabelEncoder`\n', '## `LabelEncoder`\n\nBy hand.\n')
    stale = hand.replace('| `stem_channels` |', '| `channels` |')
    assert stale != hand and generator['rewrite'](stale) == hand


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('## `LabelEncoder`\n', '## Encoder\n', 'without a heading.*LabelEncoder'),
        ('## `LabelEncoder`\n', '## `Encoder`\n\n## `LabelEncoder`\n', 'name no part: Encoder'),
    ],
)
def test_parts_and_headings_agree(old, new, message):
    with pytest.raises(ValueError, match=message):
        generator['rewrite'](PAGE.replace(old, new))


def undocumented(width: int = 3) -> None:
    """A part."""


undocumented.__module__ = 'labelenc_mm.networks.part'


def test_an_option_without_a_text_is_named():
    with pytest.raises(ValueError, match='says nothing of width'):
        generator['table'](undocumented, set())
