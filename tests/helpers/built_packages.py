"""The package as it is installed: a wheel built from the sources, and environments to put it in."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import labelenc_mm

ROOT = Path(labelenc_mm.__file__).resolve().parents[1]
CONTENT = ('labelenc_mm', 'configs', 'tools')
FILES = ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'model-index.yml', 'README.md', 'LICENSE')


def run(*command, **options):
    environment = {**os.environ, 'PYTHONPATH': '', 'PYTHONNOUSERSITE': '1', 'PIP_NO_INDEX': '1'}
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
        **options,
    )
    assert result.returncode == 0, f'{command}\n{result.stdout}\n{result.stderr}'
    return result.stdout


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A copy of the repository, so that builds leave nothing in the working tree."""
    copy = tmp_path_factory.mktemp('source')
    ignore = shutil.ignore_patterns('__pycache__', '.mim', '*.egg-info')
    for name in CONTENT:
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for name in FILES:
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    """The wheel, built in a folder that holds files of an earlier build."""
    stale = source / 'build' / 'lib' / 'labelenc_mm' / '.mim' / 'configs' / 'renamed_since.py'
    stale.parent.mkdir(parents=True)
    stale.touch()
    target = tmp_path_factory.mktemp('wheel')
    run(
        sys.executable,
        '-m',
        'pip',
        'wheel',
        '--no-build-isolation',
        '--no-deps',
        '-w',
        target,
        source,
    )
    (path,) = target.glob('*.whl')
    return path


def make_environment(folder):
    """Create an environment that sees this one's packages, and return its Python and packages."""
    run(sys.executable, '-m', 'venv', '--without-pip', folder)
    python = folder / 'bin' / 'python'
    packages = Path(
        run(python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))').strip()
    )
    (packages / 'outer.pth').write_text(sysconfig.get_path('purelib'))
    return python, packages
