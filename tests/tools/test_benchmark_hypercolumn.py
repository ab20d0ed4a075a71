"""The benchmark of hypercolumns: equal results, counted operations, measured memory."""

import json
import runpy
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmcv')

tool = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'benchmark_hypercolumn.py'))


def test_compares_equal_forms(tmp_path, capsys):
    out = tmp_path / 'figures.json'
    arguments = ['--size', '32', '32', '--repeats', '1', '--classes', '7', '--device', 'cpu']
    tool['main']([*arguments, '--out', str(out)])
    assert 'vgg16, 1 x 32 x 32, 7 classes' in capsys.readouterr().out
    figures = json.loads(out.read_text())['figures']
    assert figures['largest_relative_difference'] < 1e-5
    # One multiplication and one addition a channel, class and pixel; three times that with the
    # gradients of features and weights.
    plain = 2 * 4224 * 7 * 32 * 32
    assert figures['test']['concatenated']['operations'] == plain
    assert figures['train']['concatenated']['operations'] == 3 * plain
    assert figures['test']['ratio']['operations'] == pytest.approx(15.6, abs=0.1)


@pytest.mark.skipif(not tool['STATUS'].exists(), reason='reads the memory of a process from /proc')
def test_memory_is_the_peak_and_not_what_was_there_before():
    before = torch.ones(2**26)  # 256 MiB
    with tool['PeakMemory']('cpu') as memory:
        held = torch.ones(2**24)  # 64 MiB
        del held
        held = torch.ones(2**23)
    # The process's memory: the allocator may keep what was freed, and other threads take some.
    assert 60 * 2**20 < memory.bytes < 160 * 2**20
    assert len(before) == 2**26 and len(held) == 2**23
