"""One warning in a run for images that are read in another orientation than the annotations have."""

import logging

import pytest
from mmcv.transforms import LoadImageFromFile
from torch.utils.data import DataLoader
from turned_images import Images

from labelenc_mm.engine.data.turned_images import TurnedImageWarning
from labelenc_mm.engine.sample_error_hook import name_samples


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Warnings of all processes."""
    path = tmp_path / 'told.txt'
    path.touch()

    def tell(message, logger, level):
        assert level == logging.WARNING
        with path.open('a') as file:
            file.write(message + '\n')

    monkeypatch.setattr('labelenc_mm.engine.data.turned_images.print_log', tell)
    return lambda: path.read_text().splitlines()


@pytest.mark.parametrize('size', [(6, 4), (6.0, 4.0), ('6', '4')])
def test_a_turned_image_is_told_once_by_file_and_sizes(tmp_path, told, size):
    dataset = Images(tmp_path, size)
    name_samples(dataset)
    assert [dataset[i] for i in range(4)] == [(6, 4)] * 4
    (line,) = told()
    assert (
        '0.jpg: as it was read, the image is 4 pixels wide and 6 high; its annotations say 6 and 4'
        in line
    )
    # What the message advises reads the image as it was annotated.
    advised = LoadImageFromFile(color_type='color_ignore_orientation')
    other = Images(tmp_path, size, loader=advised)
    name_samples(other)
    assert other[0] == (4, 6) and len(told()) == 1


@pytest.mark.parametrize('size', [(4, 6), (None, None), (5, 7), ('x', [])])
def test_sizes_that_are_not_exchanged_are_left_alone(tmp_path, told, size):
    dataset = Images(tmp_path, size)
    name_samples(dataset)
    assert dataset[0] == (6, 4) and told() == []


@pytest.mark.parametrize(('context', 'workers'), [('fork', 2), ('spawn', 1)])
def test_workers_tell_it_once_between_them(tmp_path, told, context, workers):
    shared = TurnedImageWarning()
    for _ in range(workers):
        dataset = Images(tmp_path, (6, 4))
        dataset.pipeline.transforms = [dataset.loader]
        name_samples(dataset, shared)
        options = dict(num_workers=workers, multiprocessing_context=context, collate_fn=len)
        assert list(DataLoader(dataset, **options)) == [1] * 4
    # A process that starts afresh has the real log, not the one of this test.
    assert len(told()) == (1 if context == 'fork' else 0) and bool(shared._is_told)


def test_other_processes_than_the_main_one_say_nothing(monkeypatch, tmp_path, told):
    monkeypatch.setattr('labelenc_mm.engine.data.turned_images.is_main_process', lambda: False)
    dataset = Images(tmp_path, (6, 4))
    name_samples(dataset)
    assert dataset[0] == (6, 4) and told() == []
