"""docs/faults.md holds what others say: the package's own messages carry their remedy themselves."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'faults.md').read_text(encoding='utf-8')
MESSAGES = [
    message
    for cell in re.findall(r'^\| (.*?) \|', PAGE, re.MULTILINE)
    for message in re.findall(r'[`"](.*?)[`"]', cell)
    if message.count(' ') > 1  # others are names
]


@pytest.fixture(scope='module')
def source():
    """All texts of the package and its tools."""
    files = [*(ROOT / 'labelenc_mm').rglob('*.py'), *(ROOT / 'tools').rglob('*.py')]
    trees = [ast.parse(path.read_text(encoding='utf-8')) for path in files]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return '\n'.join(node.value for node in nodes if isinstance(node.value, str))


def test_the_page_has_messages(source):
    assert len(MESSAGES) > 5
    assert 'step 2 has no label encoding' in source  # as one of ours would be found


@pytest.mark.parametrize('message', MESSAGES)
def test_message_is_not_ours(message, source):
    assert message not in source
