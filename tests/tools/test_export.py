"""`tools/export.py` as a user starts it: the trained detector, or nothing."""

import re

import pytest
import torch
from hostile_pickles import RunsCode
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from training_configs import HOOKS, STEP1, write_config
from training_runs import (
    ENCODING,
    EXPORTED,
    ROOT,
    differing,
    is_stock,
    run_script,
    shared_data,
    shared_folder,
    shared_step1,
    shared_step2,
    train,
    weights,
)

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.shape_scenes import CLASSES
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

TOOL = ROOT / 'tools' / 'export.py'


@pytest.fixture(scope='module')
def step1():
    return shared_step1()


@pytest.fixture(scope='module')
def config(step1):
    return shared_folder() / 'step1.py'


@pytest.fixture
def refused(tmp_path):
    """Runs the tool where it must refuse and leave an existing file alone; gives its output."""

    def run(*arguments):
        out = tmp_path / 'out.pth'
        out.write_bytes(b'old')
        done = run_script(
            TOOL, *arguments[:2], out, *arguments[2:], work_dir=tmp_path / 'log', expect=1
        )
        assert out.read_bytes() == b'old'
        assert {path.name for path in tmp_path.glob('out*')} == {'out.pth'}
        assert 'Not exported: ' in done.output and f'{out} was not touched' in done.output
        assert 'Traceback' not in done.output
        return done.output

    return run


def test_any_checkpoint_of_a_training_can_be_exported(config, step1, tmp_path):
    out = tmp_path / 'new folder' / 'detector.pth'
    run_script(TOOL, config, step1.work_dir / 'epoch_2.pth', out, work_dir=tmp_path)
    exported = torch.load(out, weights_only=True)
    state = weights(step1.work_dir / 'epoch_2.pth')
    assert differing(exported['state_dict'], {k: v for k, v in state.items() if is_stock(k)}) == []
    assert exported['meta']['dataset_meta']['classes'] == CLASSES
    init_default_scope('mmdet')
    stock = MODELS.build(Config.fromstring(exported['meta']['cfg'], '.py').model)
    assert type(stock).__name__ == 'RetinaNet'
    stock.load_state_dict(exported['state_dict'], strict=True)


def test_the_last_checkpoint_gives_what_the_training_wrote(config, step1, tmp_path):
    out = tmp_path / 'detector.pth'
    # The config of the work dir is the whole one; the checkpoint says the classes.
    left = next(step1.work_dir.glob('*.py'))
    run_script(TOOL, left, step1.work_dir / 'last_checkpoint', out, work_dir=tmp_path)
    ours, written = (torch.load(p, weights_only=True) for p in (out, step1.work_dir / EXPORTED))
    assert differing(ours['state_dict'], written['state_dict']) == []
    assert ours['meta']['dataset_meta'] == written['meta']['dataset_meta']


def test_label_encoding_of_any_checkpoint_of_step_1(config, step1, tmp_path):
    out = tmp_path / 'encoding.safetensors'
    run_script(TOOL, config, step1.work_dir / 'epoch_4.pth', out, work_dir=tmp_path)
    (tensors, metadata), (expected, facts) = map(load_tensors, (out, step1.work_dir / ENCODING))
    assert tensors.keys() == expected.keys() and differing(tensors, expected) == []
    assert metadata == facts


def test_step_2_has_no_label_encoding_to_hand_over(tmp_path):
    out = tmp_path / 'encoding.safetensors'
    checkpoint = shared_step2().work_dir / 'epoch_4.pth'
    done = run_script(
        TOOL, shared_folder() / 'step2.py', checkpoint, out, work_dir=tmp_path, expect=1
    )
    assert 'give an OUT that ends in .pth' in done.output and not out.exists()


def test_averaged_weights_are_exported(tmp_path):
    hooks = "dict(type='EMAHook', momentum=0.3), dict(type='KeepWeightsHook')"
    config = write_config(tmp_path / 'ema.py', shared_data(), STEP1, HOOKS, hooks=hooks)
    run = train(config, tmp_path / 'run', 'train_cfg.val_interval=9', 'train_cfg.max_epochs=2')
    out = tmp_path / 'detector.pth'
    run_script(TOOL, config, run.work_dir / 'epoch_2.pth', out, work_dir=tmp_path)
    assert differing(weights(out), weights(run.work_dir / EXPORTED)) == []
    raw = {k: v for k, v in weights(run.work_dir / 'last_rank0.pth').items() if is_stock(k)}
    assert 'backbone.conv1.weight' in differing(weights(out), raw)


def test_a_failed_export_loses_nothing_and_says_how_to_repeat_it(tmp_path):
    hooks = "dict(type='SpoilExportHook')"
    config = write_config(tmp_path / 'c.py', shared_data(), STEP1, HOOKS, hooks=hooks)
    run = train(config, tmp_path / 'run', 'train_cfg.max_epochs=1', expect=1)
    assert 'ExportError: [Errno 28] No space left on device' in run.output
    assert {ENCODING, 'epoch_1.pth'} <= {path.name for path in run.work_dir.iterdir()}
    assert not (run.work_dir / EXPORTED).exists()
    (arguments,) = re.findall(r'^  python tools/export\.py (.+)$', run.output, re.MULTILINE)
    run_script(TOOL, *arguments.split(), '--device', 'cpu', work_dir=tmp_path / 'log')
    trained = {k: v for k, v in weights(run.work_dir / 'epoch_1.pth').items() if is_stock(k)}
    assert differing(weights(run.work_dir / EXPORTED), trained) == []


def test_detectors_are_compared_where_the_user_says(config, step1, tmp_path):
    out = tmp_path / 'detector.pth'
    arguments = (config, step1.work_dir / 'epoch_2.pth', out, '--device', 'nowhere')
    done = run_script(TOOL, *arguments, work_dir=tmp_path / 'log', expect=1)
    assert 'nowhere' in done.output and not out.exists()


def tampered(step1, tmp_path, change):
    content = load_checkpoint_file(step1.work_dir / 'epoch_4.pth')
    change(content)
    torch.save(content, tmp_path / 'tampered.pth')
    return tmp_path / 'tampered.pth'


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda c: c['state_dict'].pop('bbox_head.retina_cls.bias'),
            'Missing key.*retina_cls.bias',
        ),
        (
            lambda c: c['state_dict'].update({'bbox_head.more': torch.ones(1)}),
            'Unexpected key.*more',
        ),
        (
            lambda c: c['state_dict'].update({'backbone.conv1.weight': torch.ones(1)}),
            'size mismatch for backbone.conv1.weight',
        ),
        (lambda c: c.update(state_dict={'x': torch.ones(1)}), 'no state_dict with a labelenc'),
        (lambda c: c.update(x=RunsCode('touch marker')), 'tampered.pth was refused.*system'),
    ],
    ids=['missing', 'unexpected', 'shape', 'stock', 'hostile'],
)
def test_tampered_checkpoint_is_refused(change, message, config, step1, tmp_path, refused):
    output = refused(config, tampered(step1, tmp_path, change))
    assert re.search(message, output, re.S), output


def test_other_config_is_refused_by_shape_and_by_option(config, step1, refused):
    checkpoint = step1.work_dir / 'epoch_4.pth'
    wider = 'model.neck.out_channels=32'
    assert 'model.neck.out_channels: 32 in the config, 16 trained' in refused(
        config, checkpoint, '--cfg-options', wider
    )
    # All weights would fit, and the detector would be another one.
    anchors = 'model.bbox_head.anchor_generator.octave_base_scale=4'
    assert 'octave_base_scale: 4 in the config, 2 trained' in refused(
        config, checkpoint, '--cfg-options', anchors
    )


def test_types_may_be_spelt_otherwise(config, step1, tmp_path):
    out = tmp_path / 'detector.pth'
    option = 'model.neck.type=mmdet.models.necks.fpn.FPN'
    checkpoint = step1.work_dir / 'epoch_4.pth'
    run_script(TOOL, config, checkpoint, out, '--cfg-options', option, work_dir=tmp_path)
    assert out.exists()


def test_test_time_options_are_free(config, step1, tmp_path):
    out = tmp_path / 'detector.pth'
    option = 'model.test_cfg.score_thr=0.3'
    run_script(
        TOOL,
        config,
        step1.work_dir / 'epoch_4.pth',
        out,
        '--cfg-options',
        option,
        work_dir=tmp_path,
    )
    stock = Config.fromstring(torch.load(out, weights_only=True)['meta']['cfg'], '.py')
    assert stock.model.test_cfg.score_thr == 0.3


def test_missing_files_are_named(config, refused, tmp_path):
    assert 'gone.pth' in refused(config, tmp_path / 'gone.pth')
    assert "Config 'gone.py' does not exist" in refused('gone.py', tmp_path / 'gone.pth')


def test_misspelt_options_are_refused(config, step1, refused):
    options = ('--cfg-options', 'modle.neck.out_channels=32')
    assert "Did you mean 'model'?" in refused(config, step1.work_dir / 'epoch_4.pth', *options)
