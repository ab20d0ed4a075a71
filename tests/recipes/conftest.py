"""Recipes for tests: small configs, and stand-ins for the training and test scripts."""

import textwrap
from pathlib import Path

import pytest

CONFIG = """
    name = '{name}'
    weight = 0.1
    init_from = None
    broken, die_after, hold, blocks = False, 0, None, None
    train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)
    randomness = dict(seed=None)
"""


@pytest.fixture
def fake_tools() -> Path:
    """The folder with the stand-ins."""
    return Path(__file__).parent / 'stand_in'


@pytest.fixture
def write_recipe(tmp_path: Path):
    """Writes a recipe, beside configs ``baseline.py``, ``step1.py`` and ``step2.py``."""

    def write(text: str) -> Path:
        folder = tmp_path / 'recipe'
        folder.mkdir(exist_ok=True)
        for name in ('baseline', 'step1', 'step2'):
            (folder / f'{name}.py').write_text(textwrap.dedent(CONFIG.format(name=name)))
        path = folder / 'recipe.yml'
        path.write_text(textwrap.dedent(text))
        return path

    return write
