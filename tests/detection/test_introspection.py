"""What is measured of a detector's own backbone and neck, whatever their options are called."""

import pytest
import torch
from detection_models import (
    SMALL_ENCODER,
    build,
    data,
    small_model_config,
    sum_losses,
    training_at,
)
from mmdet.models.backbones import ResNet
from mmdet.models.necks import FPN
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from labelenc_mm.detection.introspection import find_encoder_outputs, measure_features
from labelenc_mm.detection.label_encoding_head import build_pyramid


class OneSize(ResNet):
    """A backbone with position embeddings, as it were."""

    def __init__(self, size, told=True, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        if told:
            self.img_size = size

    def forward(self, x):
        assert tuple(x.shape[-2:]) == (self.size, self.size)
        return super().forward(x)


class DeepestFirst(nn.Module):
    """A neck that lists the deepest output first, whose widths have a name of their own."""

    def __init__(self, in_channels, width):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in in_channels)

    def forward(self, features):
        outputs = [conv(x) for conv, x in zip(self.convs, features[::-1], strict=True)]
        return tuple(outputs[::-1])


class ForGPUs(nn.Module):
    """A neck of operators that have no form for CPUs."""

    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, features):
        raise RuntimeError('implementation for device cpu not found')


@pytest.fixture(autouse=True)
def registered():
    init_default_scope('mmdet')
    for cls in (OneSize, DeepestFirst, ForGPUs):
        MODELS.register_module(module=cls, force=True)


def stock(path, **changes):
    config = Config.fromstring(f"_base_ = 'mmdet::{path}'", '.py')
    config.merge_from_dict(dict(model=dict(backbone=dict(init_cfg=None), **changes)))
    return config.model


def trains(detector, **options):
    """Whether one iteration of both losses of a stage gives finite gradients."""
    with training_at():
        losses = detector(**data(detector, **options), mode='loss')
    assert 'loss_labelenc' in losses
    loss = sum_losses(losses)
    loss.backward()
    gradients = [p.grad for p in detector.labelenc.parameters() if p.grad is not None]
    return bool(gradients) and all(bool(g.isfinite().all()) for g in gradients)


@pytest.mark.parametrize('told', [True, False])
def test_backbone_of_one_size(told):
    model = small_model_config()
    model.backbone.update(type='OneSize', size=160, told=told)
    if not told:  # by the data preprocessor
        augment = dict(type='BatchFixedSizePad', size=(160, 160))
        model.data_preprocessor.update(batch_augments=[augment], pad_size_divisor=1)
    detector = build('small', model=model)
    assert detector.labelenc.encoder_outputs == (0, 1, 2, 3)
    assert trains(detector, sizes=((3, 160, 160), (3, 160, 160)))


def test_backbone_of_an_unknown_size_needs_an_option():
    model = small_model_config()
    model.backbone.update(type='OneSize', size=160, told=False)
    with pytest.raises(ValueError, match=r'OneSize takes .*Set labelenc\.encoder_outputs'):
        build('small', model=model.copy())
    detector = build('small', model=model, encoder_outputs=(0, 1, 2, 3))
    assert trains(detector, sizes=((3, 160, 160), (3, 160, 160)))


def test_neck_that_lists_the_deepest_output_first():
    model = small_model_config()
    model.neck = dict(type='DeepestFirst', in_channels=[64, 32, 16, 8], width=16)
    model.bbox_head.anchor_generator.strides = [4, 8, 16, 32]
    detector = build('small', model=model)
    convs = detector.labelenc.pyramid.convs
    assert [conv.in_channels for conv in convs] == [64, 48, 32, 16]
    assert trains(detector)


@pytest.mark.parametrize(
    'listed, theirs, expected',
    [
        ([8, 16], [8, 16], [1, 2]),
        ([16, 8], [8, 16], [2, 1]),
        ([8, 16], None, [1, 2]),
    ],
)
def test_inputs_of_a_neck_follow_its_own_order(listed, theirs, expected):
    neck = dict(type='DeepestFirst', in_channels=listed, width=4)
    pyramid = build_pyramid(neck, [1, 2], theirs)
    assert [conv.in_channels for conv in pyramid.convs] == expected


@pytest.mark.parametrize('listed, expected', [(8, 1), (16, 2), (99, 3)])
def test_neck_of_one_input_takes_the_output_of_its_width(listed, expected):
    neck = dict(type='DilatedEncoder', in_channels=listed, out_channels=4, block_mid_channels=4)
    neck.update(num_residual_blocks=1, block_dilations=[1])
    pyramid = build_pyramid(
        [neck, dict(type='ChannelMapper', in_channels=[4], out_channels=4)], [1, 2, 3], [8, 16, 32]
    )
    assert pyramid[0].in_channels == expected


def test_neck_that_runs_on_a_gpu_alone_is_believed():
    """A model is built on the CPU."""
    model = small_model_config()
    model.neck.type = 'ForGPUs'
    detector = build('small', model=model)
    assert detector.labelenc.encoder_outputs == (0, 1, 2, 3)
    assert detector.labelenc.adapter.layers[0].in_channels == 16
    model = small_model_config()
    model.neck.update(type='ForGPUs', out_channels=[16, 32])
    with pytest.raises(ValueError, match=r'ForGPUs have \[16, 32\] channels'):
        build('small', model=model)


def test_centernet_whose_neck_has_another_name_for_its_width():
    model = stock('centernet/centernet_r18_8xb16-crop512-140e_coco.py')
    model.neck.use_dcn = False
    detector = build('CenterNet', model=model)
    assert detector.labelenc.adapter.layers[0].in_channels == 64
    assert trains(detector)


def test_cornernet_which_wants_to_be_told_that_it_has_no_neck():
    model = stock('cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py')
    model.backbone.update(
        downsample_times=2,
        num_stacks=2,
        stage_channels=[16, 16, 16],
        stage_blocks=[1, 1, 1],
        feat_channel=16,
        norm_cfg=dict(type='BN'),
    )
    model.bbox_head.in_channels = 16
    assert 'neck' in model and model.neck is None
    detector = build('CornerNet', model=model)
    assert detector.labelenc.encoder_outputs == (0, 0)


@pytest.mark.parametrize(
    'path, widths',
    [
        ('yolo/yolov3_d53_8xb8-ms-608-273e_coco.py', r'YOLOV3Neck have \[512, 256, 128\]'),
        ('ssd/ssd300_coco.py', r'SSDNeck have \[512, 1024, 512, 256, 256, 256\]'),
    ],
)
def test_levels_of_several_widths_are_refused_with_them(path, widths):
    with pytest.raises(ValueError, match=f'shared by all levels.* of {widths} channels'):
        build('x', model=stock(path))


def test_without_a_neck_the_encoder_stands_in_for_the_backbone():
    model = stock('faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py')
    with pytest.raises(ValueError, match=r'\[48\] in place of the backbone\'s \[1024\]'):
        build('x', model=model.copy(), encoder=SMALL_ENCODER)
    model.roi_head.shared_head.init_cfg = None
    channels = (16, 32, 1024, 64)
    detector = build('x', model=model, encoder=dict(SMALL_ENCODER, out_channels=channels))
    assert detector.labelenc.encoder_outputs == (2,)


def test_strides_are_those_of_the_backbone():
    for outputs, expected in (((0, 1, 2, 3), (0, 1, 2, 3)), ((1, 2), (1, 2)), ((2,), (2,))):
        assert find_encoder_outputs([(4, 8, 16, 32)[index] for index in outputs]) == expected
        model = small_model_config()
        model.backbone.out_indices = outputs
        channels = [(8, 16, 32, 64)[index] for index in outputs]
        model.neck.update(in_channels=channels, start_level=0, num_outs=len(outputs))
        features = measure_features(MODELS.build(model), '')
        assert find_encoder_outputs(features.strides) == expected
        assert features.channels == channels and set(features.widths) == {16}
    with pytest.raises(ValueError, match=r'strides \[4, 64\]'):
        find_encoder_outputs([4, 64])
    # the backbone of DetectoRS: no choice of encoder outputs would give its neck an image of labels
    with pytest.raises(ValueError, match='is the image itself.* such as FPN') as refused:
        find_encoder_outputs([1, 4, 8, 16, 32])
    assert 'encoder_outputs' not in str(refused.value)


def test_a_detector_that_leaves_its_backbone_out_is_told():
    detector = MODELS.build(small_model_config())
    detector.extract_feat = lambda image: [image]
    with pytest.raises(ValueError, match=r'extract_feat does not run its backbone\. Set x'):
        measure_features(detector, 'Set x')


def test_measuring_changes_neither_weights_nor_random_numbers():
    model = small_model_config()
    model.backbone.update(frozen_stages=1, norm_eval=True)
    torch.manual_seed(1)
    detector = MODELS.build(model)
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    modes = [module.training for module in detector.modules()]
    drawn = torch.rand(1)
    torch.manual_seed(1)
    detector = MODELS.build(model)
    measure_features(detector, '')
    assert torch.equal(drawn, torch.rand(1))
    assert modes == [module.training for module in detector.modules()]
    assert all(torch.equal(value, before[key]) for key, value in detector.state_dict().items())
    assert isinstance(detector.neck, FPN) and not detector.backbone._forward_hooks
