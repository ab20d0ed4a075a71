"""The check of label maps against the size of their images."""

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile, Resize
from mmseg.datasets import LoadAnnotations, PackSegInputs
from PIL import Image

from labelenc_mm.segmentation.data.label_map_size import (
    CheckLabelMapSize,
    check_size_in_header,
    check_sizes,
)


def results(map_size, **others):
    return dict(
        gt_seg_map=np.zeros(map_size, np.uint8),
        ori_shape=(48, 64),
        seg_map_path='labels/a.png',
        img_path='images/a.jpg',
        **others,
    )


def test_equal_sizes_pass_whatever_the_size_of_the_network_input():
    sample = results((48, 64), img_shape=(96, 128))
    assert CheckLabelMapSize()(sample) is sample


@pytest.mark.parametrize('size', [(64, 48), (48, 63), (96, 128)])
def test_other_sizes_are_refused_by_both_files(size):
    with pytest.raises(ValueError) as error:
        CheckLabelMapSize()(results(size))
    assert f'labels/a.png: the label map has (height, width) {size}' in str(error.value)
    assert 'its image images/a.jpg has (48, 64)' in str(error.value)


def test_sizes_are_written_as_plain_numbers():
    sample = results((48, 63))
    sample['ori_shape'] = np.array([48, 64])
    with pytest.raises(ValueError, match=r'has \(48, 64\)$'):
        CheckLabelMapSize()(sample)


def test_maps_in_colours_are_refused_as_such(tmp_path):
    path = str(tmp_path / 'colours.png')
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(path)
    sample = dict(seg_map_path=path, ori_shape=(48, 64), seg_fields=[], reduce_zero_label=False)
    message = (
        r'colours\.png: the label map has shape \(48, 64, 3\), where one channel of class numbers'
    )
    with pytest.raises(ValueError, match=message):
        CheckLabelMapSize()(LoadAnnotations()(sample))


def test_the_check_follows_the_loader_once_wherever_it_stands():
    loader, resize, pack = LoadAnnotations(), Resize(scale=(8, 8)), PackSegInputs()
    for transforms, index in (
        ([loader, resize, pack], 1),
        ([resize, loader, pack], 2),
        ([resize, loader], 2),  # as where several images are mixed
    ):
        checked = check_sizes(transforms)
        assert isinstance(checked.pop(index), CheckLabelMapSize) and checked == transforms
    for transforms in ([loader, pack], [loader]):
        checked = check_sizes(transforms)
        assert check_sizes(checked) == checked


def image_file(folder, name, orientation=None, size=(64, 48)):
    """An image 48 high and 64 wide as stored."""
    path, exif = folder / name, Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.new('RGB', size).save(path, exif=exif)
    return dict(img_path=str(path), seg_map_path='labels/a.png')


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.tif'])
def test_the_header_of_an_image_tells_its_size(name, tmp_path, monkeypatch):
    sample = image_file(tmp_path, name)
    for size in ((48, 63), (64, 48)):
        with pytest.raises(ValueError) as error:
            check_size_in_header(sample, size)
        assert f'labels/a.png: the label map has (height, width) {size}' in str(error.value)
        assert f'its image {tmp_path / name} has (48, 64)' in str(error.value)

    def load(self):
        raise AssertionError('an image was decoded')

    monkeypatch.setattr(Image.Image, 'load', load)
    check_size_in_header(sample, (48, 64))


@pytest.mark.parametrize('name', ['a.jpg', 'a.png'])
@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
def test_an_image_that_exif_turns_has_the_size_that_mmseg_loads(name, orientation, tmp_path):
    sample = image_file(tmp_path, name, orientation)
    loaded = LoadImageFromFile()(dict(sample))['ori_shape']
    assert (loaded == (64, 48)) == (
        orientation in (6, 8)
    ) or name == 'a.png'  # not every OpenCV turns PNGs
    check_size_in_header(sample, tuple(loaded))
    with pytest.raises(ValueError):
        check_size_in_header(sample, (64, 49))


def test_images_without_a_readable_header_are_not_compared(tmp_path):
    (tmp_path / 'a.npy').write_bytes(b'no image')
    for path in (None, tmp_path / 'missing.jpg', tmp_path / 'a.npy', tmp_path, 's3://bucket/a.jpg'):
        check_size_in_header(dict(img_path=path and str(path)), (5, 7))


def test_a_very_large_image_is_no_reason_to_stop(tmp_path, monkeypatch, recwarn):
    """Pillow refuses, or warns of, an image that might exhaust the memory when it is decoded."""
    sample = image_file(tmp_path, 'a.png')
    for limit in (40 * 48, 20 * 48):
        monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', limit)
        check_size_in_header(sample, (48, 64))
    assert not recwarn.list


@pytest.mark.parametrize(('largest', 'is_refused'), [(255, False), (256, True)])
def test_labels_that_loading_would_cut_to_8_bits_are_refused(tmp_path, largest, is_refused):
    path = str(tmp_path / 'deep.png')
    labels = np.zeros((48, 64), np.uint16)
    labels[3, 5] = largest
    Image.fromarray(labels).save(path)
    sample = dict(seg_map_path=path, ori_shape=(48, 64), seg_fields=[], reduce_zero_label=False)
    loaded = LoadAnnotations()(sample)
    assert loaded['gt_seg_map'][3, 5] == largest % 256
    if not is_refused:
        assert CheckLabelMapSize()(loaded) is loaded
        return
    with pytest.raises(ValueError, match=r'deep\.png: the label map has labels up to 256'):
        CheckLabelMapSize()(loaded)
