"""The report of `tools/benchmark_hypercolumn.py`: a table for each kind of pass, and refused input."""

import json
import runpy
from pathlib import Path

import pytest

pytest.importorskip('mmcv')

tool = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'benchmark_hypercolumn.py'))
SMALL = ['--image-size', '32', '32', '--rounds', '1', '--num-classes', '7', '--device', 'cpu']


def test_ratios_say_what_the_concatenated_form_takes(tmp_path, capsys):
    out = tmp_path / 'new folder' / 'figures.json'
    tool['main']([*SMALL, '--json', str(out)])
    printed = capsys.readouterr().out
    assert 'backbone: vgg16' in printed and 'classes: 7' in printed
    report = json.loads(out.read_text())
    for mode, (ours, plain) in zip(('test', 'train'), report['tables'], strict=True):
        assert ours['form'] == f'projected, {mode}' and f'| concatenated, {mode} |' in printed
        assert ours['operations_ratio'] == ours['memory_ratio'] == ours['time_ratio'] == 1
        assert plain['operations_ratio'] == pytest.approx(15.6, abs=0.1)
        assert plain['memory_ratio'] == pytest.approx(plain['peak_mib'] / ours['peak_mib'])


def test_errors_are_told_without_a_traceback():
    with pytest.raises(SystemExit, match='--rounds must be at least 1'):
        tool['main']([*SMALL, '--rounds', '0'])
