"""Photos and options of a colorization that are not what one would expect."""

import numpy as np
import pytest
import torch
from colorization_models import VGG, build_pretrainer
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from photo_files import picture
from PIL import Image

SIDE = 64
PIPELINE = [
    dict(type='LoadPhoto', reduce_to=SIDE),
    dict(type='RandomResize', scale=[(100000, SIDE), (100000, SIDE)], keep_ratio=True),
    dict(type='RandomCrop', crop_size=(SIDE, SIDE)),
    dict(type='PackPhotos'),
]


def batch_of(folder):
    """A batch of all photos of a folder, as a training gets it."""
    init_default_scope('mmseg')
    dataset = DATASETS.build(
        dict(type='PhotoDataset', data_prefix=dict(img_path=str(folder)), pipeline=PIPELINE)
    )
    samples = [dataset[index] for index in range(len(dataset))]
    return dict(
        inputs=[sample['inputs'] for sample in samples],
        data_samples=[sample['data_samples'] for sample in samples],
    )


def loss_of(model, batch):
    torch.manual_seed(0)
    loss, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode='loss'))
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    return loss.item()


@pytest.mark.parametrize('gray', [False, True])
def test_photos_of_one_pixel_are_enlarged_and_learned_from(tmp_path, gray):
    pixels = np.array([[[90, 90, 90]], [[20, 20, 20]]] if gray else [[[250, 3, 40]], [[9, 8, 200]]])
    for index, pixel in enumerate(pixels.astype(np.uint8)):
        Image.fromarray(pixel[None]).save(tmp_path / f'{index}.png')
    batch = batch_of(tmp_path)
    assert [tuple(each.shape) for each in batch['inputs']] == [(3, SIDE, SIDE)] * 2
    assert np.isfinite(loss_of(build_pretrainer(), batch))


def test_a_palette_and_16_bits_of_gray_are_learned_as_the_colors_that_they_are(tmp_path):
    few = Image.fromarray(picture((SIDE, SIDE))).quantize(7)
    deep = picture((SIDE, SIDE))[..., 0]
    folders = [tmp_path / name for name in ('kinds', 'plain')]
    for folder in folders:
        folder.mkdir()
    few.save(folders[0] / '0.png')
    few.convert('RGB').save(folders[1] / '0.png')
    Image.fromarray(deep.astype(np.uint16) * 257).save(folders[0] / '1.png')
    Image.fromarray(np.stack([deep] * 3, 2)).save(folders[1] / '1.png')
    model = build_pretrainer()
    kinds, plain = (loss_of(model, batch_of(folder)) for folder in folders)
    assert kinds == plain > 0


def test_a_photo_for_print_has_its_colors(tmp_path):
    """Inks taken for light would be the opposite colors."""
    printed = Image.fromarray(picture((SIDE, SIDE))).convert('CMYK')
    printed.save(tmp_path / 'print.jpg', quality=95)
    (image,) = batch_of(tmp_path)['inputs']
    expected = picture((SIDE, SIDE))[..., ::-1].astype(int)
    found = image.permute(1, 2, 0).numpy().astype(int)
    assert np.abs(found - expected).mean() < 12 < np.abs(255 - found - expected).mean()
    assert np.isfinite(loss_of(build_pretrainer(), batch_of(tmp_path)))


def test_windows_at_the_border_of_a_photo_are_learned_from(tmp_path):
    Image.fromarray(picture((SIDE, SIDE))).save(tmp_path / '0.png')
    sampler = dict(type='UniformPointSampler', num_points=SIDE * SIDE, border=0)
    model = build_pretrainer(head=dict(mlp_channels=(16,), sampler=sampler))
    assert np.isfinite(loss_of(model, batch_of(tmp_path)))


@pytest.mark.parametrize(
    ('backbone', 'is_told'),
    [
        (dict(VGG, norm_cfg=dict(type='BN')), True),
        (dict(VGG, fc_norm_cfg=dict(type='SyncBN')), True),
        (VGG, False),
        (dict(VGG, norm_cfg=None, fc_norm_cfg=None), False),
        # Without a bias in its convolutions it would have none at all.
        (
            dict(
                type='TappedBackbone',
                in_channels=1,
                taps=['layer4.1'],
                backbone=dict(
                    type='ResNet', depth=18, base_channels=4, stem_channels=4, in_channels=1
                ),
            ),
            False,
        ),
    ],
)
def test_batch_normalisation_with_scale_and_shift_is_told(backbone, is_told, capsys):
    build_pretrainer(backbone)
    log = capsys.readouterr().out
    assert ("Give norm_cfg=dict(type='BN', affine=False), and fc_norm_cfg" in log) == is_told
    if is_told:
        assert 'backbone: 13 layers' in log or 'backbone: 2 layers' in log
