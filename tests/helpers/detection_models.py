"""Label-encoded detectors from stock configs, small enough for a CPU, with random data."""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from torch import nn

from labelenc_mm.detection import label_encoding_head, one_run_label_encoding_head

# Name of the detector, its stock config, and changes that only make it smaller.
SMALL_ENCODER = dict(stem_channels=8, out_channels=(16, 32, 48, 64))
STOCK_CONFIGS = {
    'RetinaNet': 'retinanet/retinanet_r50_fpn_1x_coco.py',
    'FCOS': 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    'FCOS improved': 'fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py',
    'FasterRCNN': 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'MaskRCNN': 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
    'CascadeRCNN': 'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
    'Cascade Mask R-CNN': 'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py',
    'ATSS': 'atss/atss_r50_fpn_1x_coco.py',
    'GFL': 'gfl/gfl_r50_fpn_1x_coco.py',
    'TOOD': 'tood/tood_r50_fpn_1x_coco.py',
    'PAA': 'paa/paa_r50_fpn_1x_coco.py',
    'RTMDet': 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    'RTMDet-Ins': 'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py',
    'YOLOX': 'yolox/yolox_tiny_8xb8-300e_coco.py',
    'DeformableDETR': 'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    'DINO': 'dino/dino-4scale_r50_8xb2-12e_coco.py',
}


def stock_model_config(name):
    """The stock model config without the download of pretrained weights."""
    config = Config.fromstring(f"_base_ = 'mmdet::{STOCK_CONFIGS[name]}'", '.py')
    model = config.model
    model.backbone.init_cfg = None
    if 'frozen_stages' in model.backbone:
        model.backbone.frozen_stages = -1
    return model


def small_model_config(num_classes=80):
    """RetinaNet for tests that are not about one detector: ResNet-18 of few channels."""
    model = stock_model_config('RetinaNet')
    channels = [8, 16, 32, 64]
    model.backbone.update(depth=18, base_channels=8)
    model.neck.update(in_channels=channels, out_channels=16)
    model.bbox_head.update(
        num_classes=num_classes, in_channels=16, feat_channels=16, stacked_convs=1
    )
    return model


def build(name, stage='autoencode', model=None, **labelenc):
    """A label-encoded detector, initialised and in training mode.

    In one run the images begin with the labels unless ``image_begin`` says otherwise.
    """
    init_default_scope('mmdet')
    if model is None:
        model = small_model_config() if name == 'small' else stock_model_config(name)
    labelenc = {'stage': stage, 'encoder': SMALL_ENCODER, **labelenc}
    if stage == 'one-run':
        labelenc.setdefault('image_begin', None)
    model.update(type=f'LabelEnc{model.type}', labelenc=labelenc)
    detector = MODELS.build(model)
    detector.init_weights()
    if stage == 'supervise':
        detector.labelenc.encoder_is_loaded.fill_(1)
    return detector.train()


def data(detector, num_items=(2, 1), sizes=((3, 128, 128), (3, 112, 128)), num_classes=80):
    """A preprocessed batch of random images with ground truth, training mode."""
    with_mask = detector.labelenc.label_source == 'mask'
    torch.manual_seed(0)
    batch = demo_mm_inputs(
        len(num_items),
        [list(size) for size in sizes],
        num_items=list(num_items),
        num_classes=num_classes,
        with_mask=with_mask,
    )
    return detector.data_preprocessor(batch, True)


@contextmanager
def training_at(iteration=600, max_iters=1200, max_epochs=12):
    """Pretend that a Runner is at this iteration."""
    hub = MessageHub.get_current_instance()
    epoch = iteration * max_epochs // max_iters
    info = dict(iter=iteration, epoch=epoch, max_iters=max_iters, max_epochs=max_epochs)
    for key, value in info.items():
        hub.update_info(key, value)
    try:
        yield
    finally:
        for key in info:
            hub.update_info(key, None)


@contextmanager
def same_scales():
    """Factors of objects that are no random numbers, which one run draws apart from the other stages."""
    with ExitStack() as stack:
        for module in (label_encoding_head, one_run_label_encoding_head):
            scales = patch.object(
                module, 'sample_object_scales', lambda count, **_: torch.linspace(0.2, 1, count)
            )
            stack.enter_context(scales)
        yield


def sum_losses(losses, prefix=''):
    """Sum of the losses whose names start with a prefix, as parse_losses sums all."""
    total = 0
    for key, value in losses.items():
        if 'loss' in key and key.startswith(prefix):
            total = total + sum(v.mean() for v in (value if isinstance(value, list) else [value]))
    return total


def has_gradient(module: nn.Module) -> bool:
    """Whether any parameter of a module has a gradient that is not zero."""
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())
