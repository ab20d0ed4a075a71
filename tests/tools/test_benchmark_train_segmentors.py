"""The report of `tools/benchmark_train.py` on segmentors with label structure, and on a single toolbox."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmseg')

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'benchmark_train.py'
DETECTOR = ROOT / 'configs' / 'labelenc' / 'bccd' / 'retinanet_r18_labelenc-step2_bccd.py'
SMALL = ['--image-size', '64', '96', '--rounds', '1', '--device', 'cpu']
STOCK = """
_base_ = 'mmseg::_base_/models/pspnet_r50-d8.py'
model = dict(
    backbone=dict(depth=18, base_channels=8, stem_channels=8),
    decode_head=dict(in_channels=64, channels=16, num_classes=4),
    auxiliary_head=dict(in_channels=32, channels=8, num_classes=4),
    data_preprocessor=dict(size=(128, 128)),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
"""
OURS = """
_base_ = './stock.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
model = dict(type='LabelStructureEncoderDecoder', label_structure=dict({options}))
"""
FORMS = {
    '128': "init_from='label_autoencoder.safetensors'",
    '32': "init_from='label_autoencoder.safetensors', channels=(32,) * 5",
    'encoder': "type='FrozenLabelEncoderHead', features=['backbone.0', 'backbone.3']",
}
tool = runpy.run_path(str(TOOL))


@pytest.fixture(scope='module')
def configs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('configs')
    (folder / 'stock.py').write_text(STOCK)
    for name, options in FORMS.items():
        (folder / f'{name}.py').write_text(OURS.format(options=options))
    return {path.stem: str(path) for path in folder.iterdir()}


@pytest.fixture(scope='module')
def report(configs, tmp_path_factory):
    path = tmp_path_factory.mktemp('report') / 'report.json'
    tool['main']([*(configs[name] for name in FORMS), '--json', str(path), *SMALL])
    return json.loads(path.read_text())


def test_forms_share_the_table_of_the_stock_segmentor(report):
    (rows,) = report['tables']
    assert [row['form'] for row in rows] == ['stock EncoderDecoder (PSPHead)', *FORMS]
    conditions = report['conditions']
    assert (conditions['image size'], conditions['batch size']) == ('64x96', 2)
    assert 'mmseg' in conditions['versions'] and 'mmdet' not in conditions['versions']


def test_ratios_are_to_the_stock_segmentor(report):
    stock, wide, narrow, encoder = report['tables'][0]
    assert stock['time_ratio'] == stock['operations_ratio'] == stock['memory_ratio'] == 1
    assert 1 < narrow['operations_ratio'] < wide['operations_ratio']
    assert encoder['operations_ratio'] > 1
    for row in (wide, narrow, encoder):
        assert row['memory_ratio'] == pytest.approx(row['peak_mib'] / stock['peak_mib'])
        assert row['memory_ratio'] > 1
        assert row['images_per_second'] == pytest.approx(2 / row['seconds'])


@pytest.mark.parametrize(
    'names, options, message',
    [
        (['stock'], [], 'has no label head'),
        (['32'], ['--plain'], 'no plain form of label structure'),
        (['32', 'detector'], [], 'detectors and segmentors cannot be compared'),
        (['32'], ['--num-present', '5'], '5 classes asked for, the model has 4'),
        (['base'], [], 'has no optim_wrapper'),
        (['32'], ['--batch-size', '1'], 'normalises over images; give --batch-size 2'),
    ],
)
def test_errors_are_told_without_a_traceback(configs, tmp_path, names, options, message):
    base = tmp_path / 'base.py'
    base.write_text("_base_ = 'mmseg::_base_/models/pspnet_r50-d8.py'\n")
    known = configs | {'base': str(base), 'detector': str(DETECTOR)}
    if 'detector' in names:
        pytest.importorskip('mmdet')
    with pytest.raises(SystemExit, match=message):
        tool['main']([*(known[name] for name in names), *SMALL, *options])


@pytest.mark.parametrize('form, hidden', [('32', 'mmdet'), ('detector', 'mmseg')])
def test_the_other_toolbox_need_not_be_there(configs, form, hidden):
    if form == 'detector':
        pytest.importorskip('mmdet')
    path = (configs | {'detector': str(DETECTOR)})[form]
    code = f"""
import runpy, sys
sys.modules['{hidden}'] = None  # importing it is an error from here on
sys.argv = {[str(TOOL), path, *SMALL]!r}
runpy.run_path(sys.argv[0], run_name='__main__')
"""
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert f'| {Path(path).stem} |' in result.stdout
