"""The tables of docs/options.md, from the docstrings of the constructors: ``python docs/write_options.py``.

Below each heading that is the name of a part there is one table, of the options that its constructor takes;
whatever else the page says is written by hand and stays. A part without a heading is reported.
"""

import inspect
import re
from pathlib import Path
from typing import Any

import mmdet.registry
import mmengine.registry
import mmseg.registry
from torch import nn

# They register the parts.
from labelenc_mm import datasets, detection, evaluation, pretraining  # noqa: F401

PAGE = Path(__file__).with_name('options.md')
HEADING = re.compile(r'^## `(\w+)`\n', re.MULTILINE)
ENTRY = re.compile(r'^    (\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)', re.MULTILINE)
TABLE = re.compile(r'(?:^\|.*\n)+\n?', re.MULTILINE)
HEAD = '| option | default | source | what it does |\n|---|---|---|---|\n'
SECTION = re.compile(r'\b(?:sec\.|Tables?|Figures?) \d+(?:\.\d+)*(?:(?:, | and )\d+(?:\.\d+)*)*')
ROLE = re.compile(r':\w+:`~?\.?([\w.]+)`')
ONLY_SOURCE = re.compile(
    rf' \((?:{SECTION.pattern}(?:, | and )?)+\)'
)  # which has a column of its own
LINKS = {'TrainingWindow': '[limits](#limits)'}


def parts() -> dict[str, Any]:
    """What a config may name of this package, but for stock models with ours in them and for plain forms."""
    registries = [
        each
        for module in (mmengine.registry, mmdet.registry, mmseg.registry)
        for each in vars(module).values()
        if isinstance(each, mmengine.registry.Registry)
    ]
    found = {name: part for each in registries for name, part in each.module_dict.items()}
    return {
        name: part
        for name, part in found.items()
        if part.__module__.startswith('labelenc_mm.')
        and not part.__module__.startswith('labelenc_mm.benchmark')
        and not (hasattr(part, 'stock_type') and issubclass(part, nn.Module))
        and (
            inspect.isclass(part) or name == 'TappedBackbone'
        )  # other functions are mmengine's own business
    }


def describe(part: Any) -> dict[str, str]:
    """Option -> its text, of the docstrings of a part and of those bases that are ours."""
    found: dict[str, str] = {}
    for each in inspect.getmro(part) if inspect.isclass(part) else [part]:
        if not each.__module__.startswith('labelenc_mm.'):
            continue  # differs between the toolboxes' families
        arguments = re.search(
            r'^Args:\n((?:    .*\n?|\n)*)', inspect.cleandoc(each.__doc__ or ''), re.MULTILINE
        )
        entries = arguments[1] if arguments else ''
        for name, text in ENTRY.findall(entries):
            found.setdefault(name, ' '.join(text.split()))
    return found


def options(part: Any) -> list[inspect.Parameter]:
    """What the constructor takes by name; nothing where it is the toolbox's own."""
    constructor = part.__init__ if inspect.isclass(part) else part
    if not getattr(constructor, '__module__', '').startswith('labelenc_mm.'):
        return []
    parameters = list(inspect.signature(constructor).parameters.values())
    if inspect.isclass(part):
        del parameters[0]  # self
    return [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def table(part: Any, headings: set[str]) -> str:
    """The table of a part, empty where it has no options.

    Raises:
        ValueError: The docstring leaves out an option.
    """
    texts = describe(part)
    rows = []
    for option in options(part):
        if option.name not in texts:
            raise ValueError(
                f'{part.__module__}.{part.__name__}: its docstring says nothing of {option.name}'
            )
        text = texts[option.name]
        default = (
            'required'
            if option.default is option.empty
            else f'`{option.default!r}`'.replace('|', r'\|')
        )
        sources = list(dict.fromkeys(SECTION.findall(text)))
        sources += ['code'] if re.search(r"released code|\bauthors' ", text) else []
        cells = (f'`{option.name}`', default, '; '.join(sources), _markdown(text, headings))
        rows.append(f'| {" | ".join(cells)} |\n'.replace('|  |', '| |'))
    return HEAD + ''.join(rows) + '\n' if rows else ''


def _markdown(text: str, headings: set[str]) -> str:
    def link(match: re.Match[str]) -> str:
        name = match[1].split('.')[-1]
        return LINKS.get(name) or (
            f'[{name}](#{name.lower()})' if name in headings else f'`{name}`'
        )

    text = ROLE.sub(link, ONLY_SOURCE.sub('', text)).replace('``', '`')
    return text.replace('|', r'\|')


def rewrite(page: str) -> str:
    """The page with its tables as the docstrings have them.

    Raises:
        ValueError: A part has no heading, or a heading no part; a docstring leaves out an option.
    """
    start, *pieces = HEADING.split(page)
    known, headings = parts(), set(pieces[::2])
    for message, names in (
        ('parts without a heading, which says what they are', known.keys() - headings),
        ('headings that name no part', headings - known.keys()),
    ):
        if names:
            raise ValueError(f'docs/options.md: {message}: {", ".join(sorted(names))}')
    sections = []
    for name, text in zip(pieces[::2], pieces[1::2], strict=True):
        new = table(known[name], headings)
        old = TABLE.search(text)
        where = old.span() if old else (len(text), len(text))
        sections.append(f'## `{name}`\n{text[: where[0]]}{new}{text[where[1] :]}')
    return (start + ''.join(sections)).rstrip('\n') + '\n'


if __name__ == '__main__':
    PAGE.write_text(rewrite(PAGE.read_text(encoding='utf-8')), encoding='utf-8')
