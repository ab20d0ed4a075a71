"""An error of a data pipeline names the file, whichever decoder, dataset wrapper or process."""

from types import SimpleNamespace

import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset, Compose, RepeatDataset
from torch.utils.data import ConcatDataset, DataLoader, Subset

from labelenc_mm.engine import SampleError, SampleErrorHook


class Images(BaseDataset):
    def __init__(self, path, **kwargs):
        self.path = str(path)
        super().__init__(**kwargs)

    def load_data_list(self):
        return [{'img_path': self.path, 'img_id': 7}]


def with_hook(dataset, **options):
    loader = DataLoader(dataset, collate_fn=list, **options)
    # a loop that is used and two that are still configs or absent
    runner = SimpleNamespace(
        _train_loop=SimpleNamespace(dataloader=loader),
        _val_loop={'type': 'ValLoop'},
        _test_loop=None,
    )
    SampleErrorHook().before_run(runner)
    SampleErrorHook().before_train_epoch(runner)  # twice is no harm
    return loader


def error_of(tmp_path, backend, content, **options):
    """What loading a file of this content (None: no file) in a dataloader raises."""
    path = tmp_path / 'broken picture.png'
    if content is not None:
        path.write_bytes(content)
    dataset = Images(path, pipeline=[LoadImageFromFile(imdecode_backend=backend)])
    with pytest.raises(SampleError) as error:
        list(with_hook(dataset, **options))
    return str(error.value)


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n', None])
def test_unreadable_image_is_named(tmp_path, backend, content):
    message = error_of(tmp_path, backend, content)
    assert (
        message.startswith('LoadImageFromFile failed ') and 'missing, empty or damaged' in message
    )
    assert 'broken picture.png' in message and 'img_id=7' in message


def failing(error, name='Resize'):
    def transform(self, data):
        raise error

    return type(name, (), {'__call__': transform})()


FILE = 'If its file is missing, empty or damaged'


@pytest.mark.parametrize(
    'transform, expected, unexpected',
    [
        (failing(AssertionError('scale')), 'AssertionError: scale$', FILE),
        (failing(OSError('gone')), FILE, 'annotations,'),
        (failing(AttributeError("'NoneType' …"), 'LoadAnnotations'), FILE, 'annotations,'),
        (failing(ImportError('no tifffile'), 'LoadImageFromFile'), 'no tifffile$', FILE),
        (failing(KeyError('mask'), 'LoadAnnotations'), "has no 'mask' for it: complete", FILE),
        (failing(KeyError('img'), 'Resize'), "KeyError: 'img'$", FILE),
    ],
)
def test_a_file_is_blamed_where_one_was_read_alone(transform, expected, unexpected):
    dataset = Images('a.png', pipeline=[transform])
    with_hook(dataset)
    with pytest.raises(SampleError, match=expected) as error:
        dataset[0]
    assert unexpected not in str(error.value) and "img_path='a.png'" in str(error.value)


def test_unreadable_image_is_named_from_a_worker(tmp_path):
    """Workers send their errors as text, from which the main process makes a new one."""
    message = error_of(tmp_path, 'pillow', b'no image', num_workers=1)
    assert message.startswith('Caught SampleError in DataLoader worker process 0')
    assert 'broken picture.png' in message and 'img_id=7' in message


def test_pipelines_inside_wrappers_are_reached(tmp_path):
    def images():
        return Images(tmp_path / 'a.png', pipeline=[LoadImageFromFile()])

    dataset = Subset(ConcatDataset([images(), RepeatDataset(images(), 2)]), range(3))
    loader = with_hook(dataset)
    for index in range(len(dataset)):
        with pytest.raises(SampleError, match=r'a\.png'):
            loader.dataset[index]


def test_working_pipeline_is_as_before():
    transforms = [lambda data: {**data, 'x': 1}, lambda data: None if data['img_id'] == 8 else data]
    dataset = Images('a.png', pipeline=transforms)
    before = dataset.pipeline
    with_hook(dataset)
    assert isinstance(dataset.pipeline, Compose)
    assert dataset.pipeline.transforms is before.transforms
    for sample in ({'img_id': 7}, {'img_id': 8}):
        assert dataset.pipeline(dict(sample)) == before(dict(sample))
