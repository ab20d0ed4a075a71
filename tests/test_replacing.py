import errno
import os
import signal
import stat
import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError

from labelenc_mm.replacing import replacing


def test_target_is_complete_and_alone_in_a_new_folder(tmp_path):
    path = tmp_path / 'new' / 'x.png'
    with replacing(path) as unfinished:
        assert unfinished.suffix == '.png'  # what many writers take the format from
        unfinished.write_text('all')
        assert not path.exists()
    assert path.read_text() == 'all'
    assert list(path.parent.iterdir()) == [path]


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    (tmp_path / 'ordinary').touch()
    with replacing(tmp_path / 'x') as unfinished:
        unfinished.unlink()
        os.close(os.open(unfinished, os.O_CREAT, 0o600))
    ordinary, written = (
        stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ('ordinary', 'x')
    )
    assert written == ordinary


@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_error_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / 'x'
    path.write_text('old')
    with pytest.raises(error), replacing(path) as unfinished:
        unfinished.write_text('half')
        raise error
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_kill_leaves_the_old_file(tmp_path):
    path = tmp_path / 'x'
    path.write_text('old')
    program = (
        'import os, signal, sys\n'
        'from labelenc_mm.replacing import replacing\n'
        'with replacing(sys.argv[1]) as unfinished:\n'
        '    unfinished.write_text("half")\n'
        '    os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    killed = subprocess.run([sys.executable, '-c', program, path])
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == 'old'


def fill_the_disk(path):
    """From here on, what is written to this path meets a full disk."""
    path.unlink()
    path.symlink_to('/dev/full')


def write_text(path):
    path.write_text('x' * 10**6)


def write_tensors(path):
    with path.open('wb') as file:
        torch.save({'a': torch.ones(10**5)}, file)


def fail_as_safetensors(path):
    raise SafetensorError('I/O error: No space left on device (os error 28)')


@pytest.mark.parametrize('write', [write_text, write_tensors, fail_as_safetensors])
def test_a_full_disk_is_told_in_words(tmp_path, write):
    path = tmp_path / 'x'
    path.write_text('old')
    message = r'the disk is full.*MiB free.*was not written.*/x'
    with pytest.raises(OSError, match=message) as error, replacing(path) as unfinished:
        fill_the_disk(unfinished)
        write(unfinished)
    assert error.value.errno == errno.ENOSPC
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]
