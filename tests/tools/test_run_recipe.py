"""The command line of recipes: what it prints, its exit status, and kills at any point."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / 'tests' / 'recipes' / 'stand_in'

RECIPE = """
    variables: {hold: null, broken: false}
    stages:
      step1:
        train: step.py
        options: {hold: '{hold}', broken: '{broken}', name: step1}
      step2: {train: step.py, options: {init_from: '{step1}/artefact', name: step2}}
    table: {metrics: {AP: coco/bbox_mAP}}
"""

CONFIG = """
    name = 'step'
    weight = 0.1
    init_from = None
    hold = None
    broken = False
    train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)
    randomness = dict(seed=None)
"""


@pytest.fixture
def command(tmp_path):
    (tmp_path / 'step.py').write_text(textwrap.dedent(CONFIG))
    (tmp_path / 'recipe.yml').write_text(textwrap.dedent(RECIPE))
    script = [sys.executable, str(ROOT / 'tools' / 'run_recipe.py'), str(tmp_path / 'recipe.yml')]
    return [*script, '--work-dir', str(tmp_path / 'work'), '--tools-dir', str(STAND_IN)]


def run(command, *more):
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.run([*command, *more], capture_output=True, text=True, env=env, check=False)


def start(command, *more):
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True, env=env)


def wait_for(path: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f'{path} did not appear'
        time.sleep(0.05)


def test_it_ends_in_a_table_and_a_repetition_gives_the_same(command, tmp_path):
    first = run(command)
    assert first.returncode == 0, first.stderr
    assert '| step2 | 0.300 |' in first.stdout
    table = (tmp_path / 'work' / 'table.md').read_text()
    assert run(command).stdout.count(': starts') == 0
    assert (tmp_path / 'work' / 'table.md').read_text() == table


def test_dry_run_shows_the_commands_and_leaves_nothing(command, tmp_path):
    result = run(command, '--dry-run', '--launcher', 'pytorch', '--nproc', '2')
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f'step1-seed=0 (new): bash {STAND_IN}/dist_train.sh')
    assert f'init_from={tmp_path}/work/step1-seed=0/artefact' in lines[1]
    assert not (tmp_path / 'work').exists()


def test_dry_run_tells_what_cannot_be_started(command, tmp_path):
    text = RECIPE.replace('step2: {', 'data: {command: no_such_tool.py}\n      step2: {')
    (tmp_path / 'recipe.yml').write_text(textwrap.dedent(text))
    result = run(command, '--dry-run')
    assert result.returncode == 2
    assert 'error: stage data: command: found no program "no_such_tool.py"' in result.stderr


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--cfg-options', 'wieght=1'], "Did you mean 'weight'"),
        (['--tools-dir', '/nowhere'], 'found no /nowhere/train.py; --tools-dir'),
        (['--work-dir', __file__], 'is a file; expected a folder'),
        (['--set', f'broken={"[" * 9999}'], 'nested too deep'),
        (['--set', f'broken={"9" * 5000}'], 'expected a value in YAML'),
    ],
)
def test_dry_run_refuses_the_options_that_a_run_refuses(command, tmp_path, options, message):
    for more in (['--dry-run'], []):
        result = run(command, *more, *options)
        assert result.returncode == 2, result.stdout
        assert result.stderr.startswith('error: ') and message in result.stderr
        assert len(result.stderr) < 2000 and 'Traceback' not in result.stderr
    assert not (tmp_path / 'work').exists()


def test_exit_status_tells_failures_and_faulty_recipes_apart(command):
    failed = run(command, '--set', 'broken=true')
    assert failed.returncode == 1
    assert 'this stage is broken' in failed.stdout
    assert 'Not finished: step1-seed=0, step2-seed=0' in failed.stdout
    faulty = run(command, '--only', 'step3')
    assert faulty.returncode == 2
    assert 'unknown stage "step3"' in faulty.stderr


@pytest.mark.parametrize(
    'option, message',
    [
        (['--set', 'broken'], 'error: --set broken: expected NAME=VALUE'),
        (['--cfg-options', 'name=[a'], 'error: --cfg-options name=[a: expected a value in YAML'),
    ],
)
def test_pairs_that_cannot_be_read_are_faults_of_the_command(command, option, message):
    result = run(command, '--dry-run', *option)
    assert result.returncode == 2
    assert message in result.stderr


def test_terminated_it_ends_its_runs_and_goes_on_when_repeated(command, tmp_path):
    folder = tmp_path / 'work' / 'step1-seed=0'
    hold = ['--set', f'hold={tmp_path}/go']  # after the first epoch, until this file appears
    process = start(command, *hold)
    wait_for(folder / 'epoch_1.pth')
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 130
    (tmp_path / 'go').touch()
    time.sleep(0.5)
    assert not (folder / 'artefact').exists()  # the training ended with it
    again = run(command, *hold)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (folder / 'output.log').read_text().count('Epoch(train)  [1]') == 1


def test_killed_it_does_not_start_a_second_process_beside_the_first(command, tmp_path):
    folder = tmp_path / 'work' / 'step1-seed=0'
    hold = ['--set', f'hold={tmp_path}/go']
    process = start(command, *hold)
    wait_for(folder / 'epoch_1.pth')
    process.kill()
    process.wait()
    again = run(command, *hold)
    assert again.returncode == 2
    assert 'step1-seed=0 still runs' in again.stderr
    (tmp_path / 'go').touch()
    wait_for(folder / 'artefact')
    time.sleep(0.5)
    assert run(command, *hold).returncode == 0


@pytest.mark.parametrize(
    'options, message',
    [
        (['--jobs', '0'], '--jobs 0: at least 1'),
        (['--launcher', 'pytorch', '--nproc', '0'], '--nproc 0: at least 1'),
        (['--nproc', '8'], '--nproc is for --launcher'),
        (['--launcher', 'slurm'], 'needs --partition'),
    ],
)
def test_options_that_would_wait_for_ever_or_be_ignored(command, options, message):
    result = run(command, '--dry-run', *options)
    assert result.returncode == 2
    assert message in result.stderr


def test_an_option_given_twice_counts_twice(command):
    """As those of the toolboxes; dev/demo.sh adds to what its own recipe is given."""
    options = ['--cfg-options', 'train_cfg.max_epochs=7', '--cfg-options', 'hold=x']
    lines = run(command, '--dry-run', *options, '--seeds', '3', '--seeds', '4').stdout.splitlines()
    assert len([line for line in lines if line.startswith('step1-seed=')]) == 2
    assert all('train_cfg.max_epochs=7' in line and 'hold=x' in line for line in lines)
