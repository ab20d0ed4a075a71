"""The report of `tools/benchmark_train.py`: what it compares and that its numbers fit together."""

import inspect
import json
import runpy
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmdet')

from mmengine.config import Config

from labelenc_mm.detection import OneRunLabelEncodingHead

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs' / 'labelenc' / 'bccd'
STEP1, STEP2 = (
    str(CONFIGS / f'retinanet_r18_labelenc-{step}_bccd.py') for step in ('step1', 'step2')
)
SMALL = ['--image-size', '64', '96', '--rounds', '2', '--device', 'cpu']
tool = runpy.run_path(str(ROOT / 'tools' / 'benchmark_train.py'))


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp('report') / 'report.json'
    tool['main']([STEP1, STEP2, '--plain', '--json', str(path), *SMALL])
    return json.loads(path.read_text())


def test_forms_of_one_stock_detector_share_a_table(report):
    (rows,) = report['tables']
    step1, step2 = Path(STEP1).stem, Path(STEP2).stem
    names = ['stock RetinaNet', step1, f'{step1}, plain', step2, f'{step2}, plain']
    assert [row['form'] for row in rows] == names
    assert report['conditions']['image size'] == '64x96'
    assert torch.__version__ in report['conditions']['versions']
    assert 'mmdet' in report['conditions']['versions']


def test_numbers_fit_together(report):
    stock, step1, plain1, step2, _ = report['tables'][0]
    for row in (stock, step1, step2):
        ratios = [a / b for a, b in zip(row['rounds']['seconds'], stock['rounds']['seconds'])]
        assert row['time_ratio'] == pytest.approx(sum(ratios) / 2)
        assert row['images_per_second'] == pytest.approx(1 / row['seconds'])
        assert row['memory_ratio'] == pytest.approx(row['peak_mib'] / stock['peak_mib'])
    assert stock['time_ratio'] == stock['operations_ratio'] == 1
    assert 1 < step2['operations_ratio'] < step1['operations_ratio'] < plain1['operations_ratio']
    assert step2['map_mib'] == pytest.approx(3 * 64 * 96 * 4 / 2**20)
    assert 'map_mib' not in stock


def test_any_configs_are_compared_with_a_baseline(tmp_path):
    path = tmp_path / 'report.json'
    stock = str(CONFIGS / 'retinanet_r18_bccd.py')
    tool['main']([stock, STEP1, '--baseline', STEP2, '--json', str(path), *SMALL])
    (rows,) = json.loads(path.read_text())['tables']
    assert [row['form'] for row in rows] == [Path(p).stem for p in (STEP2, stock, STEP1)]
    assert rows[0]['operations_ratio'] == 1
    assert rows[1]['operations_ratio'] < 1 < rows[2]['operations_ratio']
    assert 'map_mib' in rows[0] and 'map_mib' not in rows[1]


FCOS = 'fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou'


@pytest.mark.parametrize(
    ('detector', 'size', 'most'),
    [
        ('retinanet_r50_fpn', ('128', '224'), 1.3),
        (FCOS, ('128', '224'), 1.3),
        # Of their cost the pyramid is the less the smaller an image is.
        *(
            pytest.param(name, ('800', '1344'), 1.5, marks=pytest.mark.slow)
            for name in ('faster-rcnn_r50_fpn', 'mask-rcnn_r50_fpn')
        ),
    ],
)
def test_an_iteration_in_one_run_costs_at_most(detector, size, most, tmp_path):
    """With all losses, by operations; of two-stage detectors a share of the images is compared."""
    config = CONFIGS.parent / f'{detector}_labelenc-one-run_15e_coco.py'
    path = tmp_path / 'report.json'
    options = ['--label-shares', '1', '--image-size', *size, '--rounds', '1', '--device', 'cpu']
    tool['main']([str(config), *options, '--json', str(path)])
    stock, ours = json.loads(path.read_text())['tables'][0]
    assert ours['form'] == f'{config.stem}, share 1' and stock['operations_ratio'] == 1
    default = inspect.signature(OneRunLabelEncodingHead).parameters['label_share'].default
    share = Config.fromfile(config).model.labelenc.get('label_share', default)
    assert 1 < round(1 + share * (ours['operations_ratio'] - 1), 2) <= most


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere.py'], "'nowhere.py' does not exist"),
        ([str(CONFIGS / 'retinanet_r18_bccd.py')], 'has no model.labelenc'),
        ([STEP2, '--rounds', '0'], '--rounds must be at least 1'),
        ([STEP2, '--amp', 'fp16'], 'fp16 needs a GPU'),
        ([STEP2, '--num-present', '9'], '7 objects cannot be of 9 classes'),
    ],
)
def test_errors_are_told_without_a_traceback(arguments, message):
    with pytest.raises(SystemExit, match=message):
        tool['main']([*arguments, '--device', 'cpu', '--image-size', '64', '96'])
