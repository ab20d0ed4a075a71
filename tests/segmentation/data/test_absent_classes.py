"""Classes without a pixel are told after the first pass over the data."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from labelenc_mm.segmentation.data.absent_classes import AbsentClasses, count_first_epoch


@pytest.fixture
def heard(hear):
    return hear('labelenc_mm.segmentation.data.absent_classes')


def batch(*labels):
    return [SegDataSample(gt_sem_seg=PixelData(data=torch.tensor([[row]]))) for row in labels]


def test_a_mask_of_0_and_255_is_told_with_its_share_of_void(heard):
    counter = AbsentClasses(2, 255, ('background', 'road'), 2)
    counter.add(batch([0, 255, 255, 255]))
    assert heard == []
    counter.add(batch([0, 255, 255, 255]))
    counter.add(batch([1]))  # later passes are not looked at
    ((level, message),) = heard
    assert level == logging.WARNING
    assert "1 of 2 classes had no pixel in the first 2 iterations: 'road'; 75% of the" in message
    assert 'needs 1 in place of 255' in message


def test_classes_that_are_all_there_are_no_matter(heard):
    counter = AbsentClasses(3, 1, None, 2)
    counter.add(batch([0, 0], [1, 2]))
    counter.add(batch([0, 2]))
    assert '1 of 3' in heard[0][1] and "'class 1'" in heard[0][1]  # which is void here
    counter = AbsentClasses(3, 255, None, 2)
    counter.add(batch([0, 0], [1, 255]))
    counter.add(batch([2, 2]))
    assert len(heard) == 1


def test_counts_of_all_processes_are_added(heard, monkeypatch):
    monkeypatch.setattr(
        'labelenc_mm.segmentation.data.absent_classes.all_reduce',
        lambda counts: counts.add_(torch.tensor([0, 5, 5, 10])),
    )
    counter = AbsentClasses(2, 255, None, 1)
    counter.add(batch([0]))
    assert heard == []


@pytest.mark.parametrize(('done', 'iterations'), [(0, 7), (6, 4), (10, 0)])
def test_as_many_batches_are_counted_as_are_left_of_one_pass(done, iterations):
    model = SimpleNamespace(num_classes=2, decode_head=SimpleNamespace(ignore_index=9))
    runner = SimpleNamespace(train_dataloader=range(7), max_iters=10, iter=done)
    counter = count_first_epoch(runner, model, ('a', 'b'))
    assert (counter.iterations, counter.ignore_index) == (iterations, 9)
