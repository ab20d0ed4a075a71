"""Workers that upstream mmengine starts with the loop see what hooks change after that."""

from types import SimpleNamespace

import pytest
from mmengine.dataset import InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader

from labelenc_mm.engine.late_workers import start_workers_late


class Numbers(list):
    """Gives out its items times a factor, which a hook may change."""

    factor = 1

    def __getitem__(self, index):
        return self.factor * super().__getitem__(index)


def started_loop(persistent, in_batches):
    """A loop over endless data that has its iterator from the start, as upstream's."""
    dataset = Numbers(range(1, 9))
    sampler = InfiniteSampler(dataset, seed=3)
    options = dict(batch_size=2, sampler=sampler)
    if in_batches:
        options = dict(batch_sampler=BatchSampler(sampler, 2, drop_last=True))
    options.update(num_workers=1, persistent_workers=persistent, collate_fn=list)
    dataloader = DataLoader(dataset, **options)
    iterator = SimpleNamespace(_iterator=iter(dataloader))
    loop = SimpleNamespace(dataloader=dataloader, dataloader_iterator=iterator)
    return SimpleNamespace(_train_loop=loop), dataset, sampler


@pytest.mark.parametrize('in_batches', [False, True])
@pytest.mark.parametrize('persistent', [False, True])
def test_changes_reach_workers_and_no_sample_is_lost(persistent, in_batches):
    runner, dataset, sampler = started_loop(persistent, in_batches)
    loop = runner._train_loop
    start_workers_late(runner)
    late = loop.dataloader_iterator._iterator
    start_workers_late(runner)
    assert loop.dataloader_iterator._iterator is late
    dataset.factor = 100
    sampler.seed = 4
    expected = iter(InfiniteSampler(dataset, seed=4))
    for _ in range(5):
        assert next(late) == [100 * (1 + next(expected)) for _ in range(2)]


def test_what_starts_late_already_is_left_alone():
    """The fork's loops, epoch-based ones, and none at all."""
    waiting = SimpleNamespace(dataloader_iterator=SimpleNamespace(_iterator=None))
    for loop in (waiting, SimpleNamespace(), {'type': 'EpochBasedTrainLoop'}, None):
        start_workers_late(SimpleNamespace(_train_loop=loop))
    assert waiting.dataloader_iterator._iterator is None


class Photos(list):
    """Numbers of images; every fifth is upright."""

    def get_data_info(self, index):
        return {'height': 600, 'width': 400 if index % 5 == 0 else 800}


@pytest.mark.parametrize('workers', [1, 3])
def test_groups_of_images_of_one_shape_begin_anew(workers):
    """mmdet's batch sampler keeps a group that it has handed out until it is asked for the next one."""
    AspectRatioBatchSampler = pytest.importorskip('mmdet.datasets.samplers').AspectRatioBatchSampler
    photos = Photos(range(100))

    def batches():
        return AspectRatioBatchSampler(InfiniteSampler(photos, seed=0), 2, drop_last=True)

    dataloader = DataLoader(photos, batch_sampler=batches(), num_workers=workers, collate_fn=list)
    loop = SimpleNamespace(
        dataloader=dataloader, dataloader_iterator=SimpleNamespace(_iterator=iter(dataloader))
    )
    start_workers_late(SimpleNamespace(_train_loop=loop))
    late, expected = loop.dataloader_iterator._iterator, iter(batches())
    assert [next(late) for _ in range(40)] == [next(expected) for _ in range(40)]
