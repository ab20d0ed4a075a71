"""A run can be resumed whatever it was doing when it was killed."""

import os
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from third_kind import CopierPart
from torch import nn

from labelenc_mm.command_line.resume import find_resumable, resume_from


@pytest.fixture
def work_dir(tmp_path):
    for epoch in (9, 10):
        path = tmp_path / f'epoch_{epoch}.pth'
        torch.save({'epoch': epoch, 'weights': torch.zeros(100)}, path)
        os.utime(path, (epoch, epoch))
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_10.pth'))
    return tmp_path


def test_recorded_checkpoint_is_taken(work_dir):
    # even if another is newer: mmengine recorded it
    os.utime(work_dir / 'epoch_9.pth', (99, 99))
    assert find_resumable(work_dir) == str(work_dir / 'epoch_10.pth')


def test_killed_while_the_checkpoint_was_written(work_dir):
    path = work_dir / 'epoch_10.pth'
    path.write_bytes(path.read_bytes()[:-30])
    assert find_resumable(work_dir) == str(work_dir / 'epoch_9.pth')


def test_killed_between_deleting_and_recording(work_dir):
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_8.pth'))
    assert find_resumable(work_dir) == str(work_dir / 'epoch_10.pth')


def test_killed_while_recording(work_dir):
    (work_dir / 'last_checkpoint').write_text('')
    assert find_resumable(work_dir) == str(work_dir / 'epoch_10.pth')


def test_the_name_counts_in_a_copied_work_dir(work_dir):
    (work_dir / 'last_checkpoint').write_text('/another/place/epoch_10.pth')
    os.utime(work_dir / 'epoch_9.pth', (99, 99))  # copied last
    assert find_resumable(work_dir) == str(work_dir / 'epoch_10.pth')


def test_in_a_copied_work_dir_it_may_be_of_any_kind(work_dir):
    """With a name that no other has, or sharded: a folder."""
    (work_dir / 'epoch_10.pth').rename(work_dir / 'at_10.pth')
    (work_dir / 'iter_10.pth').mkdir()
    for name in ('at_10.pth', 'iter_10.pth'):
        (work_dir / 'last_checkpoint').write_text(f'/another/place/{name}')
        assert find_resumable(work_dir) == str(work_dir / name)


def test_nothing_to_resume_from(tmp_path, work_dir):
    assert find_resumable(tmp_path / 'new') is None
    for epoch in (9, 10):
        (work_dir / f'epoch_{epoch}.pth').write_bytes(b'PK')
    assert find_resumable(work_dir) is None


def test_a_built_model_opens_no_file_of_an_earlier_stage():
    """However deep it lies: in a list of heads, behind the wrapper of a distributed run."""
    heads = [CopierPart(4, path) for path in ('a.safetensors', None, 'b.safetensors')]
    model = nn.Sequential(nn.Linear(1, 1), nn.ModuleList(heads), nn.Sequential(heads[2]))
    runner = SimpleNamespace(model=nn.Sequential(model), _resume=False, _load_from='start.pth')
    resume_from(runner, 'epoch_1.pth')
    assert runner._resume and runner._load_from == 'epoch_1.pth'
    assert [head.init_from for head in heads] == [None] * 3


def test_nor_does_one_that_a_flexible_runner_will_build():
    head = dict(init_from='a.safetensors', channels=3)
    model = ConfigDict(type='X', labelenc=head, heads=[head, dict(head=(head, None))])
    resume_from(SimpleNamespace(model=model), 'epoch_1.pth')
    assert 'a.safetensors' not in repr(model)
    assert model.heads[1].head[0] == dict(init_from=None, channels=3)
