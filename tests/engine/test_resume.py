"""A run can be resumed whatever it was doing when it was killed."""

import os

import pytest
import torch

from labelenc_mm.engine.resume import find_resumable


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


def test_nothing_to_resume_from(tmp_path, work_dir):
    assert find_resumable(tmp_path / 'new') is None
    for epoch in (9, 10):
        (work_dir / f'epoch_{epoch}.pth').write_bytes(b'PK')
    assert find_resumable(work_dir) is None
