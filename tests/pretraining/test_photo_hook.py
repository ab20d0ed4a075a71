"""What the log says of gray and damaged photos, and what a checkpoint keeps of the data."""

from types import SimpleNamespace

import pytest
import torch
from mmseg.structures import SegDataSample

from labelenc_mm.pretraining import PhotoError, photo_hook
from labelenc_mm.pretraining.photo_hook import PhotoHook

RUNNER = SimpleNamespace(epoch=0)


def batch(*facts):
    """One that a data loader gives, of photos with such meta information."""
    photos = [
        SegDataSample(metainfo=dict(img_path=f'{index}.jpg', **fact))
        for index, fact in enumerate(facts)
    ]
    return {'inputs': [None] * len(photos), 'data_samples': photos}


def epoch(hook, *batches, number=0):
    runner = SimpleNamespace(epoch=number)
    hook.before_train_epoch(runner)
    for index, each in enumerate(batches):
        hook.after_train_iter(runner, index, each)
    hook.after_train_epoch(runner)


def test_gray_photos_are_named_once_and_counted_every_epoch(capsys):
    hook = PhotoHook()
    gray, color = dict(is_gray=True), dict(is_gray=False)
    epoch(hook, batch(color, gray), batch(gray, color, {}))
    epoch(hook, batch(color, color), batch(color, gray))
    epoch(hook, batch(color))
    log = capsys.readouterr().out
    assert log.count('such photos have three equal channels') == 1
    assert '1.jpg is gray' in log
    assert '2 of 5 photos of this epoch were gray' in log
    assert '1 of 4 photos of this epoch were gray' in log
    assert log.count('of this epoch were gray') == 2


def test_an_epoch_of_gray_photos_alone_is_a_warning(capsys):
    hook = PhotoHook()
    gray = dict(is_gray=True)
    epoch(hook, batch(gray, gray), batch(gray))
    epoch(hook, batch(gray, gray), number=1)
    epoch(hook)
    log = capsys.readouterr().out
    for text in ('all 3 photos of epoch 1 were gray', 'all 2 photos of epoch 2 were gray'):
        (line,) = [line for line in log.splitlines() if text in line]
        assert 'WARNING' in line and 'Name color photos in train_dataloader' in line
    assert 'photos of this epoch were gray' not in log and 'all 0' not in log


def test_damaged_photos_are_listed_in_each_epoch_anew(capsys):
    hook = PhotoHook()
    epoch(
        hook,
        batch({}, dict(damaged_photos=['b.jpg', 'a.jpg'])),
        batch(dict(damaged_photos=['a.jpg'])),
    )
    epoch(hook, batch({}, dict(damaged_photos=['c.jpg'])), number=1)
    epoch(hook, batch({}), number=2)
    log = capsys.readouterr().out
    assert (
        '2 photos could not be read in epoch 1, others took their place:\n  a.jpg\n  b.jpg\n' in log
    )
    assert '1 photos could not be read in epoch 2, others took their place:\n  c.jpg\n' in log
    assert 'epoch 3' not in log


def test_a_long_list_is_cut(capsys):
    epoch(PhotoHook(), batch(dict(damaged_photos=[f'{i:02}.jpg' for i in range(30)])))
    log = capsys.readouterr().out
    assert '30 photos could not be read' in log
    assert log.rstrip().endswith('19.jpg and 10 more')


def test_all_ranks_are_told_of_together(monkeypatch, capsys):
    others = (5, 2, ['a.jpg', 'z.jpg'])
    monkeypatch.setattr(photo_hook, 'all_gather_object', lambda ours: [ours, others])
    epoch(PhotoHook(), batch(dict(is_gray=True, damaged_photos=['a.jpg'])))
    log = capsys.readouterr().out
    assert '3 of 6 photos of this epoch were gray' in log
    assert (
        '2 photos could not be read in epoch 1, others took their place:\n  a.jpg\n  z.jpg\n' in log
    )


@pytest.mark.parametrize('loop', ['val', 'test'])
def test_photos_of_several_sizes_in_a_batch_are_refused_but_in_training(loop):
    hook = PhotoHook()
    check = getattr(hook, f'before_{loop}_iter')
    photos = [torch.zeros(3, *size) for size in ((48, 64), (41, 55), (48, 64))]
    message = rf'{loop}_dataloader .* \(41, 55\), \(48, 64\) pixels.*{loop}_dataloader.batch_size=1'
    with pytest.raises(PhotoError, match=message):
        check(RUNNER, 0, {'inputs': photos})
    check(RUNNER, 0, {'inputs': photos[::2]})
    check(RUNNER, 0, {'inputs': torch.stack(photos[::2])})
    hook.before_train_iter(RUNNER, 0, {'inputs': photos})


@pytest.mark.parametrize('meta', [{}, {'dataset_meta': {'classes': ('a', 'b')}}])
def test_checkpoints_say_how_many_photos_there_were(meta):
    hook = PhotoHook()
    hook.metainfo = {'photos': 7, 'photo_sources': ['a.txt']}
    checkpoint = {'meta': dict(meta)}
    hook.before_save_checkpoint(RUNNER, checkpoint)
    expected = {**meta.get('dataset_meta', {}), **hook.metainfo}
    assert checkpoint['meta']['dataset_meta'] == expected
    assert 'photos' not in meta.get('dataset_meta', {})
