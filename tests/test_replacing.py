import os
import signal
import stat
import subprocess
import sys

import pytest

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
