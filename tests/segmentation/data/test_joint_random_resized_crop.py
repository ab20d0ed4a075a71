"""The paper's augmentation: boxes by torchvision's rules, the same one for image and label map."""

import math

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS

import labelenc_mm  # noqa: F401
from labelenc_mm.segmentation import BlankImageLikeLabelMap, JointRandomResizedCrop


def results(height, width):
    """An image whose values tell where a pixel is from, and a label map likewise."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows, columns, np.zeros_like(rows)], -1).astype(np.uint8)
    return dict(
        img=image,
        img_shape=(height, width),
        gt_seg_map=(rows * width + columns).astype(np.int32),
        seg_fields=['gt_seg_map'],
    )


def plain_box(uniform, randint, size, area_range, aspect_range):
    """torchvision's rules, step by step: (top, left, height, width)."""
    height, width = size
    for _ in range(10):
        area = uniform(*area_range) * height * width
        aspect = math.exp(uniform(math.log(aspect_range[0]), math.log(aspect_range[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top = randint(0, height - h + 1)
            return top, randint(0, width - w + 1), h, w
    if width / height < aspect_range[0]:
        w, h = width, round(width / aspect_range[0])
    elif width / height > aspect_range[1]:
        w, h = round(height * aspect_range[1]), height
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize('size', [(375, 500), (500, 333), (50, 500), (500, 20), (1, 7)])
def test_boxes_are_those_of_the_plain_rules(size):
    crop = JointRandomResizedCrop(256)
    state = np.random.RandomState(3)
    np.random.seed(3)  # noqa: NPY002
    for _ in range(200):
        expected = plain_box(state.uniform, state.randint, size, (0.08, 1.0), (3 / 4, 4 / 3))
        assert crop.draw_box(size) == expected


def test_distribution_of_areas_and_aspect_ratios():
    """In an image so large that every box fits: area uniform, logarithm of the aspect ratio uniform."""
    crop = JointRandomResizedCrop(256, area_range=(0.1, 0.5))
    boxes = np.array([crop.draw_box((1000, 1000)) for _ in range(4000)])
    areas = np.sort(boxes[:, 2] * boxes[:, 3] / 1e6)
    aspects = np.sort(np.log(boxes[:, 3] / boxes[:, 2]))
    for values, low, high in ((areas, 0.1, 0.5), (aspects, -math.log(4 / 3), math.log(4 / 3))):
        expected = np.linspace(low, high, len(values))
        assert np.abs(values - expected).max() < 0.035 * (high - low)  # Kolmogorov, p < 1e-4
    # Every place at which a box fits is as likely as any other.
    share = boxes[:, :2] / (1000 - boxes[:, 2:])
    assert np.abs(share.mean(0) - 0.5).max() < 0.03
    assert share.min() < 0.01 and share.max() > 0.99


@pytest.mark.parametrize(
    ('size', 'box'),
    [
        ((100, 1000), (0, 433, 100, 133)),  # too wide: 4/3 of the height, in the middle
        ((1000, 90), (440, 0, 120, 90)),  # too high: 4/3 of the width
        ((100, 100), (0, 0, 100, 100)),  # nothing fits by chance alone: the whole image
    ],
)
def test_where_no_box_fits_the_largest_allowed_one_in_the_middle(size, box, monkeypatch):
    crop = JointRandomResizedCrop(256)
    monkeypatch.setattr(np.random, 'uniform', lambda low, high: high)  # area 1, 4/3 as wide as high
    assert crop.draw_box(size) == box


def test_image_and_label_map_are_cut_and_resized_alike(monkeypatch):
    crop = JointRandomResizedCrop((64, 48))
    for _ in range(20):
        given = results(90, 120)
        top, left, height, width = box = crop.draw_box((90, 120))
        monkeypatch.setattr(crop, 'draw_box', lambda size, box=box: box)
        out = crop.transform(dict(given))
        monkeypatch.undo()
        window = np.s_[top : top + height, left : left + width]
        image = cv2.resize(given['img'][window], (64, 48), interpolation=cv2.INTER_LINEAR)
        labels = cv2.resize(given['gt_seg_map'][window], (64, 48), interpolation=cv2.INTER_NEAREST)
        assert np.array_equal(out['img'], image)
        assert np.array_equal(out['gt_seg_map'], labels)
        assert out['img_shape'] == (48, 64)
        # The label of a pixel is that of the place which the pixel shows, within one step of either.
        rows, columns = np.divmod(out['gt_seg_map'], 120)
        assert np.abs(out['img'][..., 0] - rows).max() <= max(height / 48, 1)
        assert np.abs(out['img'][..., 1] - columns).max() <= max(width / 64, 1)
        assert given['img'].shape == (90, 120, 3)  # what was loaded is left alone


def test_images_without_label_maps_are_cut_in_the_same_way():
    """As photos without labels are for pretraining: the same boxes, and nothing else is drawn."""
    crop = JointRandomResizedCrop(48)
    for extra in (dict(), dict(seg_fields=[])):
        labelled = results(90, 120)
        bare = dict(img=labelled['img'], img_shape=(90, 120), img_path='a.jpg', **extra)
        outs = []
        for given in (labelled, bare):
            np.random.seed(3)  # noqa: NPY002
            outs.append(crop.transform(given))
        assert np.array_equal(outs[0]['img'], outs[1]['img'])
        assert outs[1]['img'].shape == (48, 48, 3)
        assert outs[1]['img_shape'] == (48, 48)
        assert outs[1]['img_path'] == 'a.jpg'
        assert 'gt_seg_map' not in outs[1]


def test_label_only_pipeline_without_padding(tmp_path):
    """The label autoencoder's: a map of classes without void stays one."""
    labels = np.random.default_rng(0).integers(0, 21, (60, 80), np.uint8)
    cv2.imwrite(str(tmp_path / 'map.png'), labels)
    init_default_scope('mmseg')
    steps = [
        BlankImageLikeLabelMap(),
        TRANSFORMS.build(dict(type='LoadAnnotations')),
        TRANSFORMS.build(dict(type='JointRandomResizedCrop', scale=(32, 32))),
        TRANSFORMS.build(dict(type='RandomFlip', prob=0.5)),
        TRANSFORMS.build(dict(type='PackSegInputs')),
    ]
    sample = dict(seg_map_path=str(tmp_path / 'map.png'), reduce_zero_label=False, seg_fields=[])
    sample['label_map'] = None
    for step in steps:
        sample = step(sample)
    label_map = sample['data_samples'].gt_sem_seg.data
    assert label_map.shape == (1, 32, 32) and sample['inputs'].shape == (3, 32, 32)
    assert label_map.max() < 21


@pytest.mark.parametrize(
    'wrong',
    [
        dict(area_range=(0.0, 1.0)),
        dict(area_range=(0.5, 0.1)),
        dict(area_range=(0.5, 1.5)),
        dict(aspect_range=(0, 1)),
        dict(aspect_range=(2, 1)),
    ],
)
def test_impossible_ranges_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        JointRandomResizedCrop(256, **wrong)


def test_images_without_label_maps_are_cut_by_the_same_boxes():
    labelled = results(60, 90)
    alone = {key: labelled[key].copy() for key in ('img',)} | dict(img_shape=(60, 90))
    crop = JointRandomResizedCrop((32, 24))
    images = []
    for sample in (labelled, alone):
        np.random.seed(3)  # noqa: NPY002
        images.append(crop(sample)['img'])
    assert images[1].shape == (24, 32, 3)
    assert alone['img_shape'] == (24, 32)
    assert 'gt_seg_map' not in alone
    assert np.array_equal(*images)
