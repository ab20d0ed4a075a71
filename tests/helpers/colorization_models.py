"""Tiny pretrainers of colorization, with photos."""

import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import labelenc_mm  # noqa: F401

BATCH_NORM = dict(type='BN', affine=False)
VGG = dict(
    type='TappedVGG',
    in_channels=1,
    base_channels=4,
    fc_channels=12,
    norm_cfg=BATCH_NORM,
    fc_norm_cfg=BATCH_NORM,
    taps=('data', 'conv1_2', 'conv3_3', 'fc7'),
)
POINTS = dict(type='UniformPointSampler', num_points=20, border=4)


def build_pretrainer(backbone=VGG, preprocessor=None, head=None, **options):
    """Built and initialised; options are of the head."""
    init_default_scope('mmseg')
    head = head or dict(mlp_channels=(16,), sampler=POINTS)
    config = dict(type='ColorizationPretrainer', backbone=backbone, decode_head=head | options)
    if preprocessor:
        config['data_preprocessor'] = dict(type='SegDataPreProcessor', **preprocessor)
    model = MODELS.build(config)
    model.init_weights()
    return model


def photo_batch(*sizes, gray=False, seed=0):
    """What a data loader gives: BGR photos of 8 bits of these sizes."""
    generator = torch.Generator().manual_seed(seed)
    photos = [
        torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
        for size in sizes or [(64, 64)] * 2
    ]
    if gray:
        photos = [photo[:1].repeat(3, 1, 1) for photo in photos]
    samples = [
        SegDataSample(metainfo=dict(img_shape=tuple(photo.shape[-2:]), img_path=f'{i}.png'))
        for i, photo in enumerate(photos)
    ]
    return dict(inputs=photos, data_samples=samples)
