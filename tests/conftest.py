"""Shared by all tests: markers, one thread, a fixed seed, and a clean mmengine for every test."""

import os
import random

# Before torch is imported: tests run side by side, and every process would take all cores.
os.environ.setdefault('OMP_NUM_THREADS', '1')
# Pictures are written to files; without this, matplotlib looks for a display.
os.environ.setdefault('MPLBACKEND', 'Agg')

import numpy as np
import pytest
import torch

import labelenc_mm  # noqa: F401  (registers our parts, as every entry point does)

pytest_plugins = ['built_packages']  # fixtures


def pytest_addoption(parser):
    parser.addoption('--slow', action='store_true', help='also run tests of more than a minute')


def pytest_collection_modifyitems(config, items):
    skip_slow = pytest.mark.skip(reason='runs only with --slow')
    skip_gpu = pytest.mark.skip(reason='needs a CUDA device')
    for item in items:
        if 'slow' in item.keywords and not config.getoption('--slow'):
            item.add_marker(skip_slow)
        if 'gpu' in item.keywords and not torch.cuda.is_available():
            item.add_marker(skip_gpu)


@pytest.fixture(autouse=True)
def _seed():
    """Every test starts from the same random state, whichever tests ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (the toolboxes draw from the global generator)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _clean_mmengine():
    """Forget mmengine's process-wide state: the scope, hub, loggers and visualizers of a Runner.

    A second Runner in the same process would otherwise read what the first left there, and a
    second Visualizer or logger of the same name would be refused or write to a deleted folder.
    """
    yield
    try:
        from mmengine.logging import MMLogger
        from mmengine.utils import ManagerMixin
    except ImportError:
        return
    for logger in MMLogger._instance_dict.values():
        for handler in list(logger.handlers):
            handler.close()
            logger.removeHandler(handler)
    managers = [ManagerMixin]
    while managers:
        manager = managers.pop()
        managers += manager.__subclasses__()
        manager._instance_dict.clear()


@pytest.fixture
def work_dir(tmp_path):
    """An empty folder, as text: configs hold strings."""
    return str(tmp_path / 'work_dir')


@pytest.fixture
def hear(monkeypatch):
    """What a module tells by mmengine's print_log, from the call on: (level, message), in a list."""

    def listen(module):
        lines = []
        monkeypatch.setattr(
            f'{module}.print_log', lambda message, logger, level: lines.append((level, message))
        )
        return lines

    return listen
