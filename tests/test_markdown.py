"""The Markdown files of the repository: links lead somewhere, and no placeholder was left behind."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What is generated or installed inside a clone.
_FOREIGN = {'work_dirs', 'data', 'build', 'dist', 'site'}
_FENCED = re.compile(r'^ {0,3}(```|~~~).*?^ {0,3}\1', re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r'`[^`\n]+`')
_LINKS = (
    re.compile(r'\]\(\s*<?([^)\s>]+)'),  # [text](target "title"), ![text](target)
    re.compile(r'^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*$', re.MULTILINE),  # [name]: target
    re.compile(r'<(?:a|img)\b[^>]*?(?:href|src)="([^"]+)"'),
)
_PLACEHOLDER = re.compile(r'@[^\s@`|,;()]+@')


def markdown_files():
    return sorted(
        path
        for path in ROOT.rglob('*.md')
        if not any(
            part.startswith('.') or part in _FOREIGN for part in path.relative_to(ROOT).parts
        )
    )


def anchors(text):
    """The anchors that GitHub gives to the headings of a document."""
    found = set()
    for heading in re.findall(
        r'^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$', _FENCED.sub('', text), re.MULTILINE
    ):
        slug = re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')
        number = 0
        while (slug if not number else f'{slug}-{number}') in found:
            number += 1
        found.add(slug if not number else f'{slug}-{number}')
    return found | set(re.findall(r'<a (?:name|id)="([^"]+)"', text))


def faults(path):
    """What is wrong in a Markdown file."""
    text = path.read_text(encoding='utf-8')
    wrong = [f'placeholder {match}' for match in _PLACEHOLDER.findall(text)]
    prose = _INLINE_CODE.sub('', _FENCED.sub('', text))
    for target in (target for pattern in _LINKS for target in pattern.findall(prose)):
        if re.match(r'[a-z][a-z+.-]*:|//', target):  # has a scheme: a page or an address
            continue
        name, _, anchor = target.partition('#')
        # A leading slash means the root of the repository.
        other = path if not name else (ROOT / name[1:] if name[0] == '/' else path.parent / name)
        if not other.exists():
            wrong.append(f'dead link {target}')
        elif anchor and other.suffix == '.md' and anchor not in anchors(other.read_text('utf-8')):
            wrong.append(f'no heading for {target}')
    return wrong


def long_lines(path):
    """Prose of more than a sentence on a line; tables and code have lines of any length."""
    text = _FENCED.sub(lambda match: '\n' * match[0].count('\n'), path.read_text(encoding='utf-8'))
    lines = (re.sub(r'\]\([^)]*\)', ']', line) for line in text.splitlines())
    return [n for n, line in enumerate(lines, 1) if len(line) > 300 and not line.startswith('|')]


# Results beside the configs are tables with remarks.
PAGES = [path for path in markdown_files() if ROOT / 'configs' not in path.parents]


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_is_wrapped_by_sentence(path):
    assert long_lines(path) == []


def test_long_lines_are_seen(tmp_path):
    path = tmp_path / 'page.md'
    words = 'words ' * 60
    path.write_text(
        f'short\n\n```\n{words}\n```\n\n| {words} |\n\n- {words}\n[a]({"x" * 400})\n{words}'
    )
    assert long_lines(path) == [9, 11]


def test_markdown_files_are_found():
    names = {path.relative_to(ROOT).as_posix() for path in markdown_files()}
    assert {'README.md', 'CONTRIBUTING.md', 'configs/labelenc/README.md'} <= names
    assert not any(name.startswith('.') for name in names)


@pytest.mark.parametrize('path', markdown_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_dead_link_and_no_placeholder(path):
    assert faults(path) == []


GOOD = """
# The first heading, with `code`
[here](#the-first-heading-with-code) ![picture](sub/picture.png "title") [other](sub/other.md#part-2)
[page](https://example.org/missing) <mail@example.org> `[code](missing.md)` AR@100, AR@300
[ref]: sub/other.md

```python
a = b[0](missing)
```
"""


def test_what_is_wrong_is_seen(tmp_path):
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub/picture.png').touch()
    (tmp_path / 'sub/other.md').write_text('# Part 1\n## Part 2\n')
    path = tmp_path / 'page.md'
    path.write_text(GOOD)
    assert faults(path) == []
    for line, fault in {
        'AP @baseline-ap@ %': 'placeholder @baseline-ap@',
        '| `@…@` |': 'placeholder @…@',
        '[x](sub/gone.md)': 'dead link sub/gone.md',
        '![x](gone.png)': 'dead link gone.png',
        '<img width="3" src="gone.svg">': 'dead link gone.svg',
        '[ref2]: gone.md': 'dead link gone.md',
        '[x](#no-such-heading)': 'no heading for #no-such-heading',
        '[x](sub/other.md#part-3)': 'no heading for sub/other.md#part-3',
    }.items():
        path.write_text(f'{GOOD}\n{line}\n')
        assert faults(path) == [fault]
