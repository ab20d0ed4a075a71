"""`tools/train.py` and `tools/dist_train.sh` as a user starts them, on a toy in plain mmengine."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
TOY_FOLDER = ROOT / 'tests' / 'helpers'

CONFIG = """
# Nothing random in the samples and in the model: then two processes can be compared with one.
custom_imports = dict(imports=['toy'], allow_failed_imports=False)
default_scope = 'mmengine'
model = dict(type='ToyModel', dropout=0.0)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ToyDataset', length=12, pipeline=[dict(type='ToyAugment', strength=0.0)]))
train_cfg = dict(by_epoch=True, max_epochs=3)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1),
                     reseed=dict(type='ReseedHook'))
custom_hooks = [dict(type='ToyKillHook', at=-1)]
randomness = dict(seed=2)
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    # a path that needs quotes
    path = tmp_path_factory.mktemp('a folder') / 'toy config.py'
    path.write_text(CONFIG)
    return path


def start(command, folder, **variables):
    environment = {
        **os.environ,
        **variables,
        'PYTHONPATH': f'{ROOT}:{TOY_FOLDER}',
        'PYTHON': sys.executable,
        'OMP_NUM_THREADS': '1',
    }
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        environment.pop(name, None)
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def train(config, *arguments, folder):
    return start([sys.executable, ROOT / 'tools' / 'train.py', config, *arguments], folder)


def weights_of(path):
    return torch.load(path, weights_only=False)['state_dict']  # the test's own file


def configs_of(work_dir):
    """The config that a training left in its work dir, and that in its last checkpoint."""
    left = Config.fromfile(work_dir / 'toy config.py')
    content = torch.load(work_dir / 'epoch_3.pth', weights_only=False)
    configs = [left, Config.fromstring(content['meta']['cfg'], '.py')]
    for config in configs:
        config.pop('work_dir')
    return [config.to_dict() for config in configs]


@pytest.fixture(scope='module')
def uninterrupted(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp('uninterrupted')
    done = train(config, folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    # without --work-dir: named after the config
    return folder / 'work_dirs' / 'toy config'


def test_killed_run_resumes_to_the_same_end(config, uninterrupted, tmp_path):
    kill = 'custom_hooks.0.at=7'
    arguments = ('--work-dir', tmp_path / 'killed')
    # --resume from the start on: repeating one command is all that is needed
    killed = train(config, *arguments, '--resume', '--cfg-options', kill, folder=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / 'killed' / 'epoch_3.pth').exists()
    resumed = train(config, *arguments, '--resume', folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert 'epoch_2.pth' in resumed.stdout + resumed.stderr
    left, right = (
        weights_of(path / 'epoch_3.pth') for path in (tmp_path / 'killed', uninterrupted)
    )
    assert all(torch.equal(left[name], right[name]) for name in left)
    # What is left says how the training began, not that this run went on: it may be repeated by it.
    own, other = (configs_of(path) for path in (tmp_path / 'killed', uninterrupted))
    assert own == other and not own[0].get('resume') and own[0].get('load_from') is None


@pytest.mark.skipif(get_device() != 'cpu', reason='two processes need two GPUs')
def test_two_processes_train_as_one_with_the_joint_batch(config, uninterrupted, tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    command = [
        *('bash', ROOT / 'tools' / 'dist_train.sh', config, 2),
        *('--work-dir', tmp_path / 'two processes'),
        *('--cfg-options', 'train_dataloader.batch_size=2'),
    ]
    done = start(command, tmp_path, PORT=str(port))
    assert done.returncode == 0, done.stderr[-3000:]
    joint = weights_of(uninterrupted / 'epoch_3.pth')
    for name, weight in weights_of(tmp_path / 'two processes' / 'epoch_3.pth').items():
        torch.testing.assert_close(weight, joint[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_launchers_say_how_they_are_called(script, tmp_path):
    done = start(['bash', ROOT / 'tools' / script, 'config.py'], tmp_path)
    assert done.returncode == 2
    assert f'tools/{script} ' in done.stderr and 'CONFIG' in done.stderr


def test_slurm_launcher_passes_everything_on(tmp_path):
    fake = tmp_path / 'srun'
    fake.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    variables = {'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'GPUS': '2', 'SRUN_ARGS': '-A me'}
    arguments = ['part', 'a job', 'a config.py', '--work-dir', 'a dir']
    done = start(['bash', ROOT / 'tools' / 'slurm_train.sh', *arguments], tmp_path, **variables)
    passed = done.stdout.splitlines()
    for expected in (
        '--job-name=a job',
        '--ntasks=2',
        '--gres=gpu:2',
        '-A',
        'me',
        '--launcher=slurm',
    ):
        assert expected in passed
    assert passed[-2:] == ['--work-dir', 'a dir']
    assert 'a config.py' in passed


@pytest.fixture
def tool(monkeypatch):
    """The tool as a module, and a function that gives it a command line."""
    spec = importlib.util.spec_from_file_location('train_tool', ROOT / 'tools' / 'train.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.syspath_prepend(str(TOY_FOLDER))

    class Unbuilt:
        """Stands for the Runner."""

        model = nn.Identity()

        def __init__(self, cfg):
            self.cfg, self._resume, self._load_from = cfg, False, cfg.get('load_from')

        def train(self):
            run_until_built.runner = self

    def run_until_built(*arguments):
        """Return the config that the Runner would get."""
        monkeypatch.setattr(module, 'build_runner', Unbuilt)
        monkeypatch.setattr(sys, 'argv', ['train.py', *map(str, arguments)])
        module.main()
        return run_until_built.runner.cfg

    run_until_built.module = module
    return run_until_built


def test_missing_config_is_named(tool):
    with pytest.raises(FileNotFoundError, match=r"'nowhere/x\.py' does not exist"):
        tool('nowhere/x.py')


def test_misspelt_option_is_refused(tool, config):
    with pytest.raises(
        ValueError, match=r"'optim_wraper' is neither.*Did you mean 'optim_wrapper'"
    ):
        tool(config, '--cfg-options', 'optim_wraper.optimizer.lr=1')
    cfg = tool(
        config, '--cfg-options', 'optim_wrapper.optimizer.lr=1', 'find_unused_parameters=True'
    )
    assert cfg.optim_wrapper.optimizer.lr == 1 and cfg.find_unused_parameters


def test_resume_prefers_what_is_there(tool, config, tmp_path):
    options = (config, '--work-dir', tmp_path, '--cfg-options', 'load_from=start.pth', '--resume')
    # Nothing to resume from: the weights to start from stay.
    tool(*options)
    assert tool.runner._load_from == 'start.pth' and not tool.runner._resume
    torch.save({}, tmp_path / 'epoch_1.pth')
    cfg = tool(*options)
    assert tool.runner._load_from == str(tmp_path / 'epoch_1.pth') and tool.runner._resume
    assert cfg.load_from == 'start.pth' and 'resume' not in cfg
    with pytest.raises(FileNotFoundError, match=r'--resume other\.pth'):
        tool(*options, 'other.pth')


def test_auto_scale_lr_needs_a_base(tool, config):
    with pytest.raises(ValueError, match='base_batch_size'):
        tool(config, '--auto-scale-lr')
    options = ('--cfg-options', 'auto_scale_lr.base_batch_size=16')
    assert tool(config, '--auto-scale-lr', *options).auto_scale_lr == {
        'base_batch_size': 16,
        'enable': True,
    }


@pytest.mark.skipif(get_device() != 'cpu', reason='there is a GPU')
def test_amp_without_gpu_is_refused(tool, config):
    with pytest.raises(RuntimeError, match='--amp needs a GPU'):
        tool(config, '--amp')


def test_amp_exchanges_the_wrapper(tool, config, monkeypatch):
    monkeypatch.setattr(tool.module, 'get_device', lambda: 'cuda')
    cfg = tool(config, '--amp')
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'
    dumped = 'optim_wrapper.type=mmengine.optim.optimizer.OptimWrapper'
    assert tool(config, '--amp', '--cfg-options', dumped).optim_wrapper.type == 'AmpOptimWrapper'
    with pytest.raises(ValueError, match='has ApexOptimWrapper'):
        tool(config, '--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper')
