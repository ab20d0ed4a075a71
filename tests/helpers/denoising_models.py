"""Denoising pretrainers from the model parts of stock configs, small enough for a CPU."""

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from segmentation_models import STOCK_CONFIGS

import labelenc_mm  # noqa: F401

UNET = dict(
    backbone=dict(base_channels=8),
    decode_head=dict(in_channels=8, channels=8),
    auxiliary_head=None,
)
KINDS = {**STOCK_CONFIGS, 'UNet': ('unet/unet-s5-d16_fcn_4xb4-40k_hrf-256x256.py', UNET)}
STRIDES = {'UNet': 1, 'UPerNet': 4, 'DeepLabV3+': 4, 'SegFormer': 4, 'PSPNet': 8, 'FCN': 8}


def stock_model_config(kind):
    """The model part of a stock config at tiny width, without pretrained weights."""
    path, smaller = KINDS[kind]
    config = Config.fromstring(f"_base_ = 'mmseg::{path}'", '.py')
    config.merge_from_dict(dict(model=dict(smaller, pretrained=None)))
    config.model.backbone.pop('init_cfg', None)
    return config.model


def build_pretrainer(kind, **options):
    """A pretrainer of a kind of segmentor; options of the pretrainer, or of the model."""
    init_default_scope('mmseg')
    config = Config(dict(model=stock_model_config(kind) if isinstance(kind, str) else kind))
    config.merge_from_dict(dict(model=dict(options, type='DenoisingDecoderPretrainer')))
    config.model.data_preprocessor.pop('size', None)
    model = revert_sync_batchnorm(MODELS.build(config.model))
    model.init_weights()
    return model


def build_stock(kind):
    """The stock segmentor of a kind."""
    init_default_scope('mmseg')
    return revert_sync_batchnorm(MODELS.build(stock_model_config(kind)))


def samples(number, size, names=None):
    """Data samples without labels."""
    return [
        SegDataSample(metainfo=dict(img_shape=size, img_path=(names or ['a.png'] * number)[i]))
        for i in range(number)
    ]


def photos(number=2, size=(64, 64), seed=0):
    """Normalised images that are smooth, as photos are, of about unit variance."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(number, 3, 4, 4, generator=generator) * 1.5
    return torch.nn.functional.interpolate(coarse, size, mode='bicubic')
