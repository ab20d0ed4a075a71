"""The messages in docs/faults.md are messages of the source."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'faults.md').read_text(encoding='utf-8')
OURS = PAGE.split('## Messages of the toolboxes')[0]
MESSAGES = re.findall(r'^\| `(.*?)` \|', OURS, re.MULTILINE)


def texts(path):
    """All strings of a Python file; ``\\0`` stands for what a message fills in."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.JoinedStr):
            yield ''.join(p.value if isinstance(p, ast.Constant) else '\0' for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope='module')
def source():
    files = [*(ROOT / 'labelenc_mm').rglob('*.py'), *(ROOT / 'tools').rglob('*.py')]
    return '\n'.join(text for path in files for text in texts(path))


def test_the_page_has_messages():
    assert len(MESSAGES) == len(re.findall(r'^\| `.*\|$', OURS, re.MULTILINE)) > 20


@pytest.mark.parametrize('message', MESSAGES)
def test_message_is_in_the_source(message, source):
    pattern = r'[^\n]*?\0[^\n]*?'.join(re.escape(part.strip()) for part in message.split('…'))
    assert re.search(pattern, source), f'no message of the package reads {message!r}'
