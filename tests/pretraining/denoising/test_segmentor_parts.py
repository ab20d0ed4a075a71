import pytest
import torch
from denoising_models import build_pretrainer, build_stock, photos, stock_model_config
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from segmentation_models import CASCADE
from torch import nn

from labelenc_mm.networks.named_features import FeatureError
from labelenc_mm.pretraining.denoising.segmentor_parts import (
    encoder_modules,
    find_encoder,
    is_pretrained,
    replace_classifier,
    run_stages,
)

FILE = dict(type='Pretrained', checkpoint='weights.pth')


def cascade():
    """OCRNet at tiny width, its backbone like that of the others."""
    init_default_scope('mmseg')
    model = Config.fromstring(f"_base_ = 'mmseg::{CASCADE}'", '.py').model
    model.pretrained = None
    model.backbone = stock_model_config('FCN').backbone
    widths = dict(in_channels=32, channels=8), dict(in_channels=64, channels=16, ocr_channels=8)
    for head, change in zip(model.decode_head, widths):
        head.update(change, norm_cfg=dict(type='BN'))
    return model


def test_stages_of_a_cascade_get_what_the_one_before_gives_out():
    """As the stock segmentor runs them."""
    model = MODELS.build(cascade()).eval()
    image = photos(1)
    features = model.extract_feat(image)
    first = model.decode_head[0].forward(features)
    expected = model.decode_head[1].forward(features, first)
    assert torch.equal(run_stages(model.decode_head, features), expected)
    assert torch.equal(run_stages(model.decode_head[:1], features), first)
    single = build_stock('FCN').eval()
    features = single.extract_feat(image)
    assert torch.equal(run_stages(single.decode_head, features), single.decode_head(features))


@pytest.mark.parametrize(('dilations', 'stride'), [((1, 1, 2, 4), 8), ((1, 1, 1, 1), 32)])
def test_the_stride_is_that_of_the_map_which_enters_the_classifier(dilations, stride):
    config = stock_model_config('FCN')
    strides = (1, 2, 1, 1) if stride == 8 else (1, 2, 2, 2)
    config.backbone.update(strides=strides, dilations=dilations)
    init_default_scope('mmseg')
    model = MODELS.build(config)
    modes = {name: module.training for name, module in model.named_modules()}
    layer = replace_classifier(model)
    assert model.decode_head.conv_seg is layer
    assert layer.stride == stride
    assert layer.conv.in_channels == 16
    assert layer.conv.out_channels == 3 * stride**2
    now = {
        name: module.training for name, module in model.named_modules() if 'conv_seg' not in name
    }
    assert now == {name: mode for name, mode in modes.items() if name in now}
    assert not model.decode_head._forward_hooks


def test_a_head_that_classifies_twice_is_refused():
    model = build_stock('FCN')
    head = model.decode_head
    forward = head.forward
    head.forward = lambda inputs: (forward(inputs), forward(inputs))[1]
    with pytest.raises(
        FeatureError, match='FCNHead goes on behind its classifier, or uses it several'
    ):
        replace_classifier(model)


def test_the_encoder_is_the_backbone_but_of_a_unet_half_of_it():
    for kind, path in (('UNet', 'backbone.encoder'), ('SegFormer', 'backbone')):
        model = build_stock(kind)
        assert find_encoder(model.backbone) == (path,)
        assert encoder_modules(model, [path]) == [model.get_submodule(path)]


@pytest.mark.parametrize(
    ('path', 'message'),
    [
        ('', "no module ''; its children are"),
        ('backbone.layer9', "no module 'backbone.layer9'"),
        ('decode_head.loss_decode', 'a CrossEntropyLoss without parameters'),
    ],
)
def test_paths_that_freeze_nothing_are_refused(path, message):
    with pytest.raises(ValueError, match=message):
        encoder_modules(build_stock('FCN'), [path])


def with_file(*keys):
    def change(model):
        for key in keys[:-1]:
            model = model[key]
        model[keys[-1]] = FILE

    return change


TAPPED = dict(
    type='TappedBackbone',
    backbone=dict(type='ResNet', depth=18, base_channels=8, init_cfg=FILE),
    taps=['layer1', 'layer2', 'layer3', 'layer4'],
)


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (lambda model: None, False),
        (lambda model: model.update(pretrained='weights.pth'), True),
        (with_file('backbone', 'init_cfg'), True),
        (lambda model: model.backbone.update(init_cfg=[dict(type='Kaiming'), FILE]), True),
        (lambda model: model.backbone.update(init_cfg=dict(checkpoint='weights.pth')), True),
        (with_file('init_cfg'), True),
        (lambda model: dict.update(model, backbone=ConfigDict(TAPPED)), True),
        (with_file('decode_head', 'init_cfg'), False),
        (lambda model: model.backbone.update(init_cfg=dict(type='Kaiming', layer='Conv2d')), False),
    ],
)
def test_weights_of_an_encoder_are_named_in_any_of_the_ways_of_the_toolbox(change, expected):
    init_default_scope('mmseg')
    config = stock_model_config('UPerNet')
    change(config)
    model = MODELS.build(config)
    assert is_pretrained(model, 'backbone') == expected
    if not isinstance(getattr(model.backbone, 'layer1', None), nn.Module):
        return
    assert is_pretrained(model, 'backbone.layer1') == expected


def test_a_pretrainer_keeps_no_hook_of_the_measurement():
    model = build_pretrainer('UPerNet')
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
