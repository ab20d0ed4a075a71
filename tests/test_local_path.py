"""A file:// address is the file that it names."""

from pathlib import Path

import pytest
import torch
from mmengine.runner import CheckpointLoader

from labelenc_mm.artefact import load_tensors, save_tensors
from labelenc_mm.checkpoint import load_checkpoint_file
from labelenc_mm.engine.command_line import read_config
from labelenc_mm.engine.resume import find_resumable
from labelenc_mm.last_checkpoint import follow_record
from labelenc_mm.local_path import is_remote, local_path


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
