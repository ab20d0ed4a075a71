"""The example project of the docs, copied to an unrelated folder and trained as its README says."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import mmdet
import pytest
import torch
from built_packages import make_environment
from built_packages import run as run_pip
from training_runs import ENCODING, EXPORTED, TRAIN, run_script

from labelenc_mm.handover.artefact import load_tensors

ROOT = Path(__file__).resolve().parents[2]
MMDET_TEST = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'test.py'
OPTIONS = (
    'train_cfg.max_epochs=2',
    'train_cfg.val_interval=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'default_hooks.logger.interval=1',
    # So few iterations find nothing with confidence: let the metric see every box.
    'model.test_cfg.score_thr=0.0',
)
# mmdet's own test script, in a process where labelenc_mm cannot be imported.
WITHOUT_US = """
import runpy, sys
sys.modules['labelenc_mm'] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def start(*command, folder):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(folder), 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f'{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done.stdout + done.stderr


@pytest.fixture
def project(tmp_path):
    """The project where a user would have it, with a few images."""
    folder = tmp_path / 'somewhere' / 'my project'
    ignore = shutil.ignore_patterns('__pycache__')
    shutil.copytree(ROOT / 'docs' / 'example_project', folder, ignore=ignore)
    small = ('--train', 8, '--val', 4, '--size', 64)
    start(sys.executable, 'make_data.py', 'data/parcels', *small, folder=folder)
    return folder


def last_metrics(folder):
    (log,) = folder.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return {key: value for key, value in lines[-1].items() if key.startswith(('coco/', 'recon'))}


def train_both_steps(project, train):
    """Follow the README; ``train`` takes a config and options."""
    step1, step2 = (project / 'work_dirs' / name for name in ('step1', 'step2'))
    output = train('configs/step1.py', '--cfg-options', *OPTIONS)
    # The project's own layer learns from label features too, and is handed over.
    assert 'ae_loss_count' in output and 'loss_labelenc' in output
    assert {'coco/bbox_mAP', 'coco/reconstruction_bbox_mAP'} <= last_metrics(step1).keys()
    tensors, metadata = load_tensors(step1 / ENCODING)
    assert metadata['classes'] == ['box', 'bag', 'tube']
    assert 'head.count_layer.weight' in tensors
    output = train('configs/step2.py', '--cfg-options', *OPTIONS)
    assert 'loss_labelenc' in output and 'ae_loss' not in output
    return step2


def check_stock_evaluation(project, step2, python):
    """The project's own detector, under mmdet's own tool, gives what the validation gave."""
    state = torch.load(step2 / EXPORTED, weights_only=True)['state_dict']
    assert 'count_layer.weight' in state
    assert not [key for key in state if key.startswith('labelenc.')]
    arguments = ('configs/baseline.py', step2 / EXPORTED, '--work-dir', project / 'stock')
    options = ('--cfg-options', 'model.test_cfg.score_thr=0.0')
    start(python, '-c', WITHOUT_US, MMDET_TEST, *arguments, *options, folder=project)
    (log,) = (project / 'stock').glob('*/*.json')
    metrics = json.loads(log.read_text().splitlines()[-1])
    expected = last_metrics(step2)
    assert expected['coco/bbox_mAP'] >= 0
    assert {key: metrics[key] for key in expected} == expected


def test_from_the_clone(project, monkeypatch):
    monkeypatch.chdir(project)  # both reach the processes that run_script forks
    monkeypatch.syspath_prepend(str(project))

    def train(*arguments):
        return run_script(TRAIN, *arguments, work_dir=project / 'logs').output

    step2 = train_both_steps(project, train)
    check_stock_evaluation(project, step2, sys.executable)


@pytest.mark.slow
def test_from_the_wheel(project, wheel, tmp_path):
    python, packages = make_environment(tmp_path / 'environment')
    pip = (python, '-m', 'pip', 'install', '--no-build-isolation', '--no-compile')
    run_pip(*pip, wheel, cwd=tmp_path)
    mim = packages / 'labelenc_mm' / '.mim'
    tools = mim / 'tools'
    recipe = mim / 'configs' / 'labelenc' / 'demo' / 'demo.yml'
    dry = ('--dry-run', '--work-dir', tmp_path / 'recipe')  # a recipe takes no path with blanks
    plan = start(python, tools / 'run_recipe.py', recipe, *dry, folder=project)
    assert 'step2-seed=0 (' in plan and str(tools / 'train.py') in plan
    step2 = train_both_steps(project, partial(start, python, tools / 'train.py', folder=project))
    check_stock_evaluation(project, step2, python)
