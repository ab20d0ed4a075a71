"""The set-up script on machines that lack something: it must say what, and leave no stamp."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import labelenc_mm

ROOT = Path(labelenc_mm.__file__).resolve().parents[1]

SCRIPTS = ('dev/setup_env.sh', 'dev/precompiling_cxx.sh', 'setup.py', 'pyproject.toml')

# A Python that passes every check; in the environment it makes, pip fails.
FAKE_PYTHON = """#!/usr/bin/env bash
case "$*" in
  --version) echo 'Python 3.11.0' ;;
  '-m venv '*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  '-m pip '*) echo 'ERROR: no space left'; exit 3 ;;
esac
"""


@pytest.fixture
def repository(tmp_path):
    """A repository that only has what the script reads, in a folder whose name has a space."""
    root = tmp_path / 'a clone'
    (root / 'dev').mkdir(parents=True)
    for name in SCRIPTS:
        shutil.copy2(ROOT / name, root / name)
    fake = root / 'fake python'
    fake.write_text(FAKE_PYTHON)
    fake.chmod(0o755)
    return root


def set_up(root, *arguments, command='bash dev/setup_env.sh "$@"', **environment):
    return subprocess.run(
        ['bash', '-c', command, 'bash', *arguments],
        cwd=root,
        env={**os.environ, 'PYTHON': str(root / 'fake python'), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_failure_of_pip_shows_its_end_and_the_log(repository):
    result = set_up(repository)
    assert result.returncode == 1
    assert 'setting up the fork family' in result.stdout
    assert 'ERROR: no space left' in result.stderr
    log = repository / '.venv' / 'tools.log'
    assert f'failed with status 3; the whole log is {log}' in result.stderr
    assert log.read_text() == 'ERROR: no space left\n'
    assert not (repository / '.venv' / 'labelenc_mm.stamp').exists()


def test_upstream_has_an_environment_of_its_own(repository):
    assert set_up(repository, 'upstream').returncode == 1
    assert (repository / '.venv-upstream').is_dir()
    assert not (repository / '.venv').exists()


@pytest.mark.parametrize(
    ('arguments', 'environment', 'message'),
    [
        (['onedl'], {}, "unknown family 'onedl': fork or upstream"),
        ([], {'PYTHON': 'no-such-python'}, 'no Python 3.10-3.13 among: no-such-python'),
        ([], {'CXX': 'no-such-compiler'}, 'no C++ compiler (no-such-compiler)'),
    ],
)
def test_what_is_missing_is_named(repository, arguments, environment, message):
    result = set_up(repository, *arguments, **environment)
    assert result.returncode == 1
    assert message in result.stderr
    assert not (repository / '.venv').exists()


def test_a_script_that_sources_it_stops_too(repository):
    command = 'set -euo pipefail; source dev/setup_env.sh; echo went on'
    result = set_up(repository, command=command, CXX='no-such-compiler')
    assert result.returncode == 1
    assert 'went on' not in result.stdout


BUILDS = """#!/usr/bin/env bash
case "$*" in
  --version) echo 'Python 3.11.0' ;;
  '-m venv '*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *platform.machine*) echo 'torch1-cpython' ;;
  '-m pip download '*)
    [ "$READY" = no ] && exit 1
    while [ "$1" != -d ]; do shift; done
    echo ready >"$2/onedl_mmcv-0.whl" ;;
  '- '*) cat >/dev/null; [ "$READY" = fits ] ;;  # whether its operators load
  '-m pip wheel '*)
    [ -x "$CXX" ] && [[ $CXX != *' '* ]] || exit 1
    mkdir -p "$PRECOMPILED_HEADERS"
    while [ "$1" != -w ]; do shift; done
    echo compiled >"$2/onedl_mmcv-0.whl" ;;
  '-m pip install '*) echo "$*" ;;
esac
"""


def test_the_wheel_of_mmcv_is_built_once_and_kept_complete(repository):
    (repository / 'fake python').write_text(BUILDS)
    wheels = repository / 'kept'
    for attempt in range(2):
        result = set_up(repository, LABELENC_MM_WHEELS=str(wheels), READY='no')
        assert result.returncode == 0, result.stderr
        assert ('compiling onedl-mmcv' in result.stdout) == (attempt == 0)
        (wheel,) = wheels.rglob('*.whl')
        assert [path.name for path in wheels.iterdir()] == [wheel.parent.name]
        assert str(wheel) in (repository / '.venv' / 'toolboxes.log').read_text()
        shutil.rmtree(repository / '.venv')


@pytest.mark.parametrize(
    ('ready', 'said', 'content'),
    [
        ('fits', 'taken ready-made', 'ready'),
        ('of another torch', 'no ready-made wheel that fits; compiling it', 'compiled'),
        ('no', 'no ready-made wheel that fits; compiling it', 'compiled'),
    ],
)
def test_a_wheel_is_taken_ready_made_where_its_operators_load(repository, ready, said, content):
    (repository / 'fake python').write_text(BUILDS)
    wheels = repository / 'kept'
    result = set_up(repository, LABELENC_MM_WHEELS=str(wheels), READY=ready)
    assert result.returncode == 0, result.stderr
    assert said in result.stdout
    (wheel,) = wheels.rglob('*.whl')
    assert wheel.read_text().strip() == content
