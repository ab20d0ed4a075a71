"""Small hypercolumn segmentors, with random data."""

import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

K = 5
VGG = dict(type='TappedVGG', base_channels=2, taps=('conv1_2', 'conv3_3', 'conv5_3'))
CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)
MLP = dict(mlp_channels=(12, 7))
NORM = dict(type='BN', affine=False)
DENSENET = dict(
    type='TappedDenseNet',
    arch=dict(depths=(1, 1), growth_rate=4, stem_channels=4, transitions=(2,)),
)
RESNET = dict(
    type='TappedBackbone',
    backbone=dict(type='ResNet', depth=18, base_channels=4, num_stages=2, strides=(1, 2),
                  dilations=(1, 1), out_indices=(0, 1)),
    taps=('relu', 'layer1', 'output1'),
)  # fmt: skip
MMDET = dict(RESNET, backbone=dict(RESNET['backbone'], type='mmdet.ResNet', frozen_stages=-1))


def segmentor_config(backbone=VGG, type='HypercolumnHead', test_cfg=None, **options):
    """The numbers of the head's taps are filled in."""
    head = dict(type=type, num_classes=K, loss_decode=CROSS_ENTROPY) | options
    return ConfigDict(
        type='HypercolumnEncoderDecoder',
        backbone=backbone,
        decode_head=head,
        train_cfg=dict(),
        test_cfg=test_cfg or dict(mode='whole'),
    )


def segmentor(*args, **options):
    """Built from a config as above, initialised."""
    init_default_scope('mmseg')
    model = MODELS.build(segmentor_config(*args, **options))
    model.init_weights()
    return model


def batch(size, count=2, void=0.2):
    labels = torch.randint(0, K, (count, 1, *size))
    labels[torch.rand(labels.shape) < void] = 255
    samples = [
        SegDataSample(
            metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size),
            gt_sem_seg=PixelData(data=image),
        )
        for image in labels
    ]
    return torch.randn(count, 3, *size), samples
