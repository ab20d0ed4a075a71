"""The compiler that precompiles PyTorch's header: once a set of flags, and the code stays the same."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import labelenc_mm

SCRIPT = Path(labelenc_mm.__file__).resolve().parents[1] / 'dev' / 'precompiling_cxx.sh'

pytestmark = pytest.mark.skipif(
    shutil.which('g++') is None or shutil.which('objcopy') is None, reason='needs GCC and binutils'
)

SOURCE = """
#include <torch/types.h>
float sum(const std::vector<float>& values) {
  float result = OFFSET;
  for (float value : values) result += value;
  return result;
}
"""


@pytest.fixture
def project(tmp_path):
    """Two sources, and a header in the place of PyTorch's."""
    (tmp_path / 'torch').mkdir()
    (tmp_path / 'torch' / 'types.h').write_text('#pragma once\n#include <vector>\n')
    for name in ('a', 'b'):
        (tmp_path / f'{name}.cpp').write_text(SOURCE)
    return tmp_path


def run(compiler, project, *arguments):
    environment = {
        **os.environ,
        'REAL_CXX': 'g++',
        'PRECOMPILED_HEADERS': str(project / 'headers of this build'),
    }
    result = subprocess.run(
        [str(compiler), *arguments], cwd=project, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result


def compile_source(compiler, project, name, *flags):
    arguments = ['-MMD', '-MF', f'{name}.d', '-g', '-O3', '-fPIC', '-I.', '-c', f'{name}.cpp']
    return run(compiler, project, *arguments, '-o', f'{name}.o', '-DOFFSET=1', *flags)


def precompiled(project):
    return sorted(project.glob('headers of this build/*/*.gch'))


def code(project, name):
    """The machine code of an object file."""
    command = ['objcopy', '-O', 'binary', '-j', '.text', f'{name}.o', f'{name}.bin']
    subprocess.run(command, cwd=project, check=True)
    return (project / f'{name}.bin').read_bytes()


def test_the_header_is_compiled_once_and_taken(project):
    times = set()
    for name in ('a', 'b'):
        # -H lists the headers that are read; a precompiled one that is taken has an exclamation mark.
        result = compile_source(SCRIPT, project, name, '-H')
        (header,) = precompiled(project)
        assert f'! {header}' in result.stderr
        times.add(header.stat().st_mtime_ns)
    assert len(times) == 1


def test_flags_that_change_the_code_have_a_header_of_their_own(project):
    compile_source(SCRIPT, project, 'a')
    compile_source(SCRIPT, project, 'b')
    assert len(precompiled(project)) == 1
    result = compile_source(SCRIPT, project, 'b', '-O1')
    assert len(precompiled(project)) == 2
    assert 'invalid-pch' not in result.stderr


def test_the_code_is_that_of_an_ordinary_build(project):
    compile_source(SCRIPT, project, 'a')
    ours = code(project, 'a')
    compile_source('g++', project, 'a')
    assert ours == code(project, 'a') != b''


def test_without_the_header_sources_compile_all_the_same(project):
    (project / 'torch' / 'types.h').unlink()
    (project / 'a.cpp').write_text('int two() { return 2; }')
    compile_source(SCRIPT, project, 'a')
    assert not precompiled(project)
    assert (project / 'a.o').is_file()


def test_links_and_questions_go_to_the_compiler_itself(project):
    compile_source(SCRIPT, project, 'a')
    run(SCRIPT, project, '-shared', 'a.o', '-o', 'a.so')
    assert (project / 'a.so').is_file()
    version = run(SCRIPT, project, '-dumpfullversion').stdout
    assert version == run('g++', project, '-dumpfullversion').stdout
