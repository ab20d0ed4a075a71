"""Files: addresses of local ones, and files that are complete or as they were."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.runner import CheckpointLoader
from safetensors import SafetensorError

from labelenc_mm.command_line.config import read_config
from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.command_line.resume import find_resumable
from labelenc_mm.files import is_remote, local_path, replacing
from labelenc_mm.handover.artefact import load_tensors, save_tensors
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        ('file:///a/b c#d.pth', '/a/b c#d.pth'),
        ('file:///a/b%20c.pth', '/a/b c.pth'),
        ('FILE://localhost/a.pth', '/a.pth'),
        ('a%20b.pth', 'a%20b.pth'),
        ('~/a.pth', str(Path.home() / 'a.pth')),
    ],
)
def test_addresses_of_local_files(path, expected):
    assert str(local_path(path)) == expected
    assert not is_remote(path)


def test_other_addresses_are_remote():
    assert is_remote('https://models.example/a.pth') and is_remote('torchvision://resnet50')


def test_what_we_open_may_be_a_file_address(tmp_path):
    folder = tmp_path / 'a folder'
    folder.mkdir()
    checkpoint, config = folder / 'epoch_1.pth', folder / 'config.py'
    torch.save({'a': torch.ones(2)}, checkpoint)
    save_tensors(folder / 'x.safetensors', {'a': torch.ones(2)}, {'b': 1})
    config.write_text('name = 3\n')
    record = folder / 'last_checkpoint'
    record.write_text(checkpoint.as_uri())
    assert '%20' in record.read_text()
    assert torch.equal(load_checkpoint_file(checkpoint.as_uri())['a'], torch.ones(2))
    # As load_from, resume and init_cfg do.
    assert torch.equal(CheckpointLoader.load_checkpoint(checkpoint.as_uri())['a'], torch.ones(2))
    assert load_tensors((folder / 'x.safetensors').as_uri())[1] == {'b': 1}
    assert read_config(config.as_uri()).name == 3
    assert follow_record(record) == follow_record(record.as_uri()) == str(checkpoint)
    assert follow_record(checkpoint.as_uri()) == str(checkpoint)
    assert find_resumable(str(folder)) == str(checkpoint)
    assert find_resumable(folder.as_uri()) == str(checkpoint)
    checkpoint.write_bytes(b'cut')
    assert find_resumable(str(folder)) is None


def test_a_missing_file_is_told_by_its_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=f'no checkpoint {tmp_path}/none.pth'):
        load_checkpoint_file((tmp_path / 'none.pth').as_uri())


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
        'from labelenc_mm.files import replacing\n'
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
