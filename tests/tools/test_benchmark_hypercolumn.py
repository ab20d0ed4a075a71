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

    # What a test pass cannot do without: the concatenated taps and the scores that it returns.
    assert figures['test']['concatenated']['bytes'] >= 4 * (4224 + 7) * 32 * 32
    assert figures['test']['projected']['bytes'] < figures['test']['concatenated']['bytes'] / 10
    tool['main']([*arguments, '--out', str(out)])
    again = json.loads(out.read_text())['figures']
    for mode in ('test', 'train'):
        for form in ('concatenated', 'projected'):
            assert again[mode][form]['bytes'] == figures[mode][form]['bytes']


def test_memory_is_the_peak_and_not_what_was_there_before():
    before = [torch.ones(2**22, requires_grad=True)]  # 16 MiB
    sizes = []

    def form(features, size):
        held = torch.ones(2**24)  # 64 MiB
        sizes.append(held.nbytes)
        del held
        return features[0] + 1

    assert tool['peak_of_pass'](form, before, (1, 1), 'test') == sizes[0] == 2**26
    # The output is its own gradient; the feature's is the second copy.
    assert tool['peak_of_pass'](lambda f, s: f[0].clone(), before, (1, 1), 'train') == 2**25
