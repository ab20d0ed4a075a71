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


def test_table_4_of_pixelnet_compares_with_sparse_training(tmp_path, capsys):
    pytest.importorskip('mmseg')
    out = tmp_path / 'figures.json'
    options = [
        '--table4',
        '--points',
        '50',
        '--width',
        '8',
        '--base-channels',
        '2',
        '--json',
        str(out),
    ]
    tool['main']([*SMALL, *options, '--rows', 'dense*', 'FCN-8s'])
    (rows,) = json.loads(out.read_text())['tables']
    names = [row['form'] for row in rows]
    assert names == [
        'sparse, fc-3', 'dense, fc-3', 'dense, fc-2', 'dense, fc-1', 'dense, fc-3, conv-7', 'FCN-8s'
    ]  # fmt: skip
    assert rows[0]['memory_ratio'] == 1 < rows[1]['memory_ratio']
    assert rows[-1]['model_mib'] > rows[0]['model_mib']  # fc6 and fc7
    assert '| model MiB |' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='none is called dens. There are sparse, fc-3; '):
        tool['main']([*SMALL, *options, '--rows', 'dens'])
