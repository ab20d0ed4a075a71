"""Whole trainings through ``tools/train.py``: what step 1 leaves, what step 2 takes and keeps, export."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest
import torch
from detection_models import build, data, has_gradient, small_model_config, training_at
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from training_configs import HOOKS, STEP2, write_config
from training_runs import (
    ENCODING,
    EXPORTED,
    active_per_epoch,
    differing,
    is_stock,
    shared_data,
    shared_folder,
    shared_step1,
    shared_step2,
    train,
    weights,
    with_prefix,
)

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.shape_scenes import CLASSES
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file


@pytest.fixture(scope='module')
def step1():
    return shared_step1()


@pytest.fixture(scope='module')
def step2():
    return shared_step2()


def test_step_1_leaves_hand_over_export_and_ordinary_checkpoints(step1):
    state = weights(step1.work_dir / 'epoch_4.pth')
    tensors, metadata = load_tensors(step1.work_dir / ENCODING)
    expected = with_prefix(state, 'labelenc.encoder.', 'encoder.')
    expected |= with_prefix(state, 'labelenc.pyramid.', 'pyramid.')
    expected |= with_prefix(state, 'bbox_head.', 'head.bbox_head.')
    assert differing(tensors, expected) == []
    assert metadata['classes'] == list(CLASSES)
    assert metadata['num_classes'] == len(CLASSES)
    assert (metadata['detector'], metadata['neck']) == ('RetinaNet', 'FPN')
    exported = weights(step1.work_dir / EXPORTED)
    assert differing(exported, {k: v for k, v in state.items() if is_stock(k)}) == []
    assert str(step1.work_dir / EXPORTED) in step1.output
    assert differing(weights(step1.work_dir / 'last_rank0.pth'), state) == []


def test_step_1_validates_both_branches(step1):
    metrics = step1.metrics()
    for name in ('bbox_mAP', 'bbox_AR@300'):
        assert 0 <= metrics[f'coco/reconstruction_{name}'] <= 1
    assert metrics['coco/bbox_AR@300'] > 0 and metrics['coco/reconstruction_bbox_AR@300'] > 0


def test_log_tool_of_the_toolbox_draws_both_branches(step1, tmp_path):
    tool = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'analysis_tools' / 'analyze_logs.py'
    if 'seaborn' in tool.read_text():  # upstream, whose default style is one of seaborn's
        pytest.importorskip('seaborn')
        style = []
    else:
        style = ['--style', 'ggplot']
    (log,) = step1.work_dir.glob('*/vis_data/scalars.json')
    options = [*style, '--eval-interval', '4']
    keys = ['bbox_mAP', 'reconstruction_bbox_mAP', 'ae_loss_cls']
    command = [tool, 'plot_curve', log, '--keys', *keys, *options, '--out', tmp_path / 'curves.png']
    env = {**os.environ, 'MPLBACKEND': 'Agg'}
    subprocess.run([sys.executable, *map(str, command)], env=env, check=True)
    assert (tmp_path / 'curves.png').stat().st_size > 10_000


def test_the_distance_counts_when_it_should(step1, step2):
    assert active_per_epoch(step1) == [0, 2, 2, 2]  # after a quarter
    assert active_per_epoch(step2) == [2, 2, 2, 0]  # not in the last epoch


def test_every_part_of_step_1_learns(step1):
    first, last = (weights(step1.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    moved = {key.rsplit('.', 2)[0] for key in differing(first, last)}
    for part in (
        'backbone.layer1',
        'neck.fpn_convs',
        'bbox_head',
        'labelenc.encoder',
        'labelenc.pyramid',
        'labelenc.adapter',
    ):
        assert any(key.startswith(part) for key in moved), part


def test_step_2_keeps_the_encoding_and_moves_the_rest(step1, step2):
    tensors, _ = load_tensors(step1.work_dir / ENCODING)
    state = weights(step2.work_dir / 'epoch_4.pth')
    for part in ('encoder.', 'pyramid.'):
        frozen = with_prefix(tensors, part)
        assert frozen and differing(with_prefix(state, f'labelenc.{part}'), frozen) == []
    head = with_prefix(tensors, 'head.')
    assert set(differing({k: state[k] for k in head}, head)) == {
        key for key in head if not key.endswith('num_batches_tracked')
    }
    assert not (step2.work_dir / ENCODING).exists()


BACKBONES = {
    'the same': ({}, [8, 16, 32, 64]),
    'ResNet-34': (dict(depth=34), [8, 16, 32, 64]),
    'ResNet-50 with DCN': (
        dict(
            depth=50,
            dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
            stage_with_dcn=(False, True, True, True),
        ),
        [32, 64, 128, 256],
    ),
    'MobileNetV2': (
        dict(_delete_=True, type='MobileNetV2', out_indices=(1, 2, 4, 7), widen_factor=0.25),
        [8, 8, 24, 1280],
    ),
}


def test_the_file_wins_over_the_encoder_of_a_checkpoint_to_start_from(step1, step2, tmp_path):
    """As where a detector that was trained under another step 1 is trained further; its neck counts."""
    start = load_checkpoint_file(step2.work_dir / 'epoch_4.pth')
    for key, value in start['state_dict'].items():
        if key.startswith(('labelenc.encoder.', 'labelenc.pyramid.')) and value.is_floating_point():
            value += 1
    torch.save(start, tmp_path / 'start.pth')
    encoding = step1.work_dir / ENCODING
    parts = (shared_data(), STEP2, HOOKS)
    hooks = "dict(type='KeepWeightsHook')"
    config = write_config(tmp_path / 'c.py', *parts, step1=encoding, hooks=hooks)
    options = ('train_cfg.max_epochs=2', 'train_cfg.val_interval=9')
    run = train(config, tmp_path / 'run', f'load_from={tmp_path / "start.pth"}', *options)
    first, last = (weights(run.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    tensors, _ = load_tensors(encoding)
    for part in ('encoder.', 'pyramid.'):
        assert differing(with_prefix(tensors, part), with_prefix(last, f'labelenc.{part}')) == []
    stock = {key: value for key, value in start['state_dict'].items() if is_stock(key)}
    assert differing({key: first[key] for key in stock}, stock) == []


@pytest.mark.parametrize('name', BACKBONES)
def test_a_file_of_step_1_serves_other_backbones(name, step1):
    """LabelEnc, Table 3; neck tensors whose shapes the backbone changes start as initialised."""
    change, channels = BACKBONES[name]
    model = small_model_config(len(CLASSES))
    if change.pop('_delete_', False):
        model.backbone = change
    else:
        model.backbone.update(change)
    model.neck.in_channels = channels
    detector = build('small', 'supervise', model=model, init_from=str(step1.work_dir / ENCODING))
    tensors, _ = load_tensors(step1.work_dir / ENCODING)
    state = detector.state_dict()
    for part, ours in (('encoder.', 'labelenc.encoder.'), ('pyramid.', 'labelenc.pyramid.')):
        assert differing(with_prefix(tensors, part), with_prefix(state, ours)) == []
    head = with_prefix(tensors, 'head.')
    assert differing(head, {key: state[key] for key in head}) == []
    neck, pyramid = with_prefix(state, 'neck.'), with_prefix(tensors, 'pyramid.')
    assert neck.keys() == pyramid.keys()
    equal = {key for key in neck if torch.equal(neck[key], pyramid[key])}
    assert equal == {key for key in neck if neck[key].shape == pyramid[key].shape}
    assert 'fpn_convs.0.conv.weight' in equal and 'lateral_convs.0.conv.weight' not in equal
    with training_at(600):
        losses = detector(**data(detector, num_classes=len(CLASSES)), mode='loss')
    loss, _ = detector.parse_losses(losses)
    loss.backward()
    assert has_gradient(detector.backbone) and not has_gradient(detector.labelenc.encoder)


def test_predictions_of_the_export_are_the_trained_detectors(step2):
    """The stock class from the config inside the file, against ours from the checkpoint."""
    checkpoint = torch.load(step2.work_dir / EXPORTED, weights_only=True)
    stock_config = Config.fromstring(checkpoint['meta']['cfg'], file_format='.py')
    init_default_scope('mmdet')
    stock = MODELS.build(stock_config.model).eval()
    stock.load_state_dict(checkpoint['state_dict'], strict=True)
    config = Config.fromfile(next(step2.work_dir.glob('step2.py')))
    ours = MODELS.build(config.model).eval()
    ours.load_state_dict(weights(step2.work_dir / 'epoch_4.pth'), strict=True)
    assert type(stock).__mro__[0].__module__.startswith('mmdet.') and type(stock) is not type(ours)
    torch.manual_seed(0)
    image = torch.randint(0, 256, (3, 96, 160), dtype=torch.uint8)
    meta = dict(img_shape=(96, 160), ori_shape=(96, 160), scale_factor=(1.0, 1.0))
    results = []
    for model in (stock, ours):
        data = {'inputs': [image], 'data_samples': [DetDataSample(metainfo=meta)]}
        results.append(model.test_step(data)[0].pred_instances)
    assert len(results[0]) == len(results[1]) > 100
    for key in ('bboxes', 'scores', 'labels'):
        assert torch.equal(results[0][key], results[1][key])


STOCK_TOOLS = """
import json, runpy, sys
sys.modules['labelenc_mm'] = None  # importing it is an error from here on
from mmengine.config import Config
from mmengine.fileio import load
checkpoint, folder, test, image = sys.argv[1:]
import torch
config = folder + '/stock.py'
open(config, 'w').write(torch.load(checkpoint, weights_only=True)['meta']['cfg'])
sys.argv = ['test.py', config, checkpoint, '--work-dir', folder + '/stock',
            '--out', folder + '/stock.pkl']
runpy.run_path(test, run_name='__main__')
from mmdet.apis import DetInferencer
inferencer = DetInferencer(weights=checkpoint, device='cpu', show_progress=False)
predictions = inferencer(image, pred_score_thr=0.0)['predictions'][0]
tested = next(r for r in load(folder + '/stock.pkl') if r['img_path'] == image)['pred_instances']
print(json.dumps(dict(
    classes=inferencer.visualizer.dataset_meta['classes'], inferred=predictions['scores'],
    tested=tested['scores'].tolist())))
"""


def test_export_works_in_the_stock_tools_without_us(step2, tmp_path):
    """mmdet's own tools/test.py and DetInferencer, where labelenc_mm cannot be imported."""
    image = str(shared_data() / 'images/val/000000.png')
    test = Path(mmdet.__file__).parent / '.mim/tools/test.py'
    done = subprocess.run(
        [sys.executable, '-c', STOCK_TOOLS, step2.work_dir / EXPORTED, tmp_path, test, image],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    scalars = next((tmp_path / 'stock').glob('*/*.json')).read_text()
    tested = json.loads(scalars.splitlines()[-1])
    ours = {key: value for key, value in step2.metrics().items() if key.startswith('coco/')}
    assert ours['coco/bbox_AR@300'] > 0
    assert {key: tested[key] for key in ours} == ours
    result = json.loads(done.stdout.splitlines()[-1])
    assert tuple(result['classes']) == CLASSES
    assert len(result['tested']) > 100
    assert result['inferred'] == pytest.approx(result['tested'], abs=1e-6)


def test_a_finished_run_that_is_resumed_writes_its_files_again(step1):
    """After a crash between the last checkpoint and the export, the command is repeated."""
    paths = [step1.work_dir / name for name in (ENCODING, EXPORTED)]
    before = [path.read_bytes() for path in paths]
    kept = [load_tensors(paths[0])[0], weights(paths[1])]
    try:
        for path in paths:
            path.unlink()
        train(shared_folder() / 'step1.py', step1.work_dir, resume=True)
        assert differing(load_tensors(paths[0])[0], kept[0]) == []
        assert differing(weights(paths[1]), kept[1]) == []
    finally:
        for path, content in zip(paths, before, strict=True):
            path.write_bytes(content)
