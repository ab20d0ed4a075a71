"""Blocks of Python in pages of the documentation, as a reader would copy them."""

import re

from mmengine.config import Config
from mmengine.registry import init_default_scope
from training_runs import ROOT


def python_blocks(page):
    """The text of each block of a page, its path relative to the repository."""
    text = (ROOT / page).read_text(encoding='utf-8')
    return re.findall(r'^```python\n(.*?)^```', text, re.M | re.S)


def load_block(block, folder):
    """A block as the config of a training of MMSegmentation."""
    path = folder / 'config.py'
    path.write_text(block)
    init_default_scope('mmseg')
    return Config.fromfile(path)
