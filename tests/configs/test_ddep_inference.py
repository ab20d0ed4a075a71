"""Inference of decoder denoising pretraining's data configs: tiles, flips and scales against plain forms."""

import runpy
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS
from mmseg.utils import register_all_modules

register_all_modules(init_default_scope=True)
ROOT = Path(__file__).resolve().parents[2]
BASES = ROOT / 'configs' / 'ddep' / '_base_' / 'datasets'
enable_tta = runpy.run_path(str(ROOT / 'tools' / 'test.py'))['enable_tta']
MEAN = 127.5
SMALL = (64, 128)  # of Cityscapes' (1024, 2048)
CONFIG = """
_base_ = ['{base}', 'mmseg::_base_/default_runtime.py']
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True, size=(64, 64)
    ),
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, num_stages=2, strides=(1, 2), dilations=(1, 1),
        out_indices=(0, 1),
    ),
    decode_head=dict(
        type='FCNHead', in_channels=16, in_index=1, channels=8, num_convs=1, num_classes=6
    ),
    train_cfg=dict(),
    test_cfg={test_cfg},
)
test_dataloader = dict(dataset=dict(data_root='{root}'))
"""
TILES = "dict(mode='slide', crop_size=(64, 64), stride=(64, 64))"
DATA = {
    'cityscapes_1024x1024': (
        'leftImg8bit/val/ulm/ulm_0_leftImg8bit.png',
        'gtFine/val/ulm/ulm_0_gtFine_labelTrainIds.png',
    ),
    'ade20k_512x512': ('images/validation/a.jpg', 'annotations/validation/a.png'),
    'pascal_context_59_512x512': ('JPEGImages/a.jpg', 'SegmentationClassContext/a.png'),
}


def shrink(value):
    """Scales and crops of the configs, an eighth or a sixteenth of them."""
    if isinstance(value, dict):
        return {key: shrink(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shrink(item) for item in value]
    return {(2048, 1024): (128, 64), (1024, 1024): (64, 64), (512, 512): (64, 64)}.get(value, value)


@pytest.fixture
def augmented(tmp_path):
    """Writes an image of noise and tests it as ``tools/test.py --tta`` does.

    Returns the network, the image as the network takes it at its own size, and the tested sample.
    """

    def test(name, size, test_cfg):
        image_file, map_file = (tmp_path / file for file in DATA[name])
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 255, (8, 16, 3), dtype=np.uint8)
        labels = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size) % 6
        for file, content in (
            (image_file, cv2.resize(coarse, size[::-1])),
            (map_file, labels),
        ):
            file.parent.mkdir(parents=True)
            cv2.imwrite(str(file), content)
        if 'pascal' in name:
            split = tmp_path / 'ImageSets/SegmentationContext/val.txt'
            split.parent.mkdir(parents=True)
            split.write_text('a\n')
        path = tmp_path / 'config.py'
        path.write_text(CONFIG.format(base=BASES / f'{name}.py', test_cfg=test_cfg, root=tmp_path))
        cfg = Config.fromfile(path)
        enable_tta(cfg)
        entry = cfg.test_dataloader.dataset.to_dict()
        entry['pipeline'] = shrink(entry['pipeline'])
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).eval()
        image = mmcv.imread(image_file, channel_order='rgb')
        vary(model.module, image)
        with torch.no_grad():
            (sample,) = model.test_step(pseudo_collate([DATASETS.build(entry)[0]]))
        return model.module, image, sample, labels

    return test


def vary(network, pixels):
    """Have a network of random weights predict every class somewhere."""
    layer = network.decode_head.conv_seg
    torch.nn.init.normal_(layer.weight)
    with torch.no_grad():
        logits = network(as_input(pixels))
        layer.bias -= logits.mean(dim=(0, 2, 3))
        scale = 3 / logits.std(dim=(0, 2, 3))
        layer.weight *= scale[:, None, None, None]
        layer.bias *= scale


def as_input(pixels):
    return torch.from_numpy(pixels.astype(np.float32) / MEAN - 1).permute(2, 0, 1)[None]


def probabilities(network, pixels, size):
    """(classes, *size) of an RGB image (H, W, 3), seen whole."""
    with torch.no_grad():
        logits = network(as_input(pixels))
    logits = F.interpolate(logits, pixels.shape[:2], mode='bilinear')
    return F.interpolate(logits, size, mode='bilinear').softmax(dim=1)[0]


def flipped(network, pixels, size):
    return probabilities(network, pixels[:, ::-1].copy(), size).flip(dims=(2,))


def test_two_tiles_and_flips_of_cityscapes_are_halves_seen_by_hand(augmented):
    network, image, sample, labels = augmented('cityscapes_1024x1024', SMALL, TILES)
    halves = []
    for half in (image[:, :64], image[:, 64:]):
        both = probabilities(network, half, (64, 64)), flipped(network, half, (64, 64))
        halves.append((both[0] + both[1]) / 2)
    expected = torch.cat(halves, dim=2).argmax(dim=0)
    found = sample.pred_sem_seg.data[0]
    assert found.shape == expected.shape == SMALL
    assert torch.equal(found, expected)
    assert len(found.unique()) > 2
    whole = probabilities(network, image, SMALL) + flipped(network, image, SMALL)
    assert not torch.equal(found, whole.argmax(dim=0))
    assert np.array_equal(sample.gt_sem_seg.data[0], labels)


@pytest.mark.parametrize('name', ['ade20k_512x512', 'pascal_context_59_512x512'])
def test_six_scales_and_flips_are_resized_images_seen_by_hand(name, augmented):
    size = (60, 100)
    network, image, sample, labels = augmented(name, size, "dict(mode='whole')")
    total = torch.zeros(6, *size)
    for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75):
        resized = cv2.resize(image, (int(100 * ratio + 0.5), int(60 * ratio + 0.5)))
        total += probabilities(network, resized, size) + flipped(network, resized, size)
    found = sample.pred_sem_seg.data[0]
    assert (found == total.argmax(dim=0)).float().mean() > 0.999  # but for sums that tie
    assert len(found.unique()) > 2
    once = probabilities(network, image, size).argmax(dim=0)
    assert (found == once).float().mean() < 0.99
    assert np.array_equal(sample.gt_sem_seg.data[0], labels.astype(np.uint8) - 1)


@pytest.mark.parametrize('name', DATA)
def test_trainings_crop_and_flip_and_change_neither_scale_nor_colours(name, tmp_path):
    pipeline = Config.fromfile(BASES / f'{name}.py').train_dataloader.dataset.pipeline
    kinds = [step.type for step in pipeline]
    assert kinds == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'RandomCrop',
        'RandomFlip',
        'PackSegInputs',
    ]
