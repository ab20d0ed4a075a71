"""Segmentors with label structure from stock configs, small enough for a CPU, with random data."""

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import labelenc_mm  # noqa: F401
from labelenc_mm.segmentation.label_structure.frozen_label_head import FrozenLabelHead
from labelenc_mm.segmentation.label_structure.label_code import save_label_autoencoder

NUM_CLASSES = 5
CHANNELS = (4, 6, 8, 10, 12)  # all different, so that a swapped pair would not fit
SIZE = (64, 80)  # (H, W)
SLIDE = dict(mode='slide', crop_size=(40, 48), stride=(24, 32))

# Name of the segmentor, its stock config, and changes that only make it smaller.
_RESNET = dict(depth=18, base_channels=8, stem_channels=8)
_FCN = dict(in_channels=32, channels=8, num_classes=NUM_CLASSES)
STOCK_CONFIGS = {
    'PSPNet': (
        'pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        dict(
            backbone=_RESNET,
            decode_head=dict(in_channels=64, channels=16, num_classes=NUM_CLASSES),
            auxiliary_head=_FCN,
        ),
    ),
    'FCN': (
        'fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        dict(
            backbone=_RESNET,
            decode_head=dict(in_channels=64, channels=16, num_classes=NUM_CLASSES),
            auxiliary_head=_FCN,
        ),
    ),
    'DeepLabV3+': (
        'deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        dict(
            backbone=_RESNET,
            decode_head=dict(
                in_channels=64,
                channels=16,
                c1_in_channels=8,
                c1_channels=4,
                num_classes=NUM_CLASSES,
            ),
            auxiliary_head=_FCN,
        ),
    ),
    'UPerNet': (
        'upernet/upernet_r50_4xb2-40k_cityscapes-512x1024.py',
        dict(
            backbone=_RESNET,
            decode_head=dict(in_channels=[8, 16, 32, 64], channels=16, num_classes=NUM_CLASSES),
            auxiliary_head=_FCN,
        ),
    ),
    'SegFormer': (
        'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
        dict(
            backbone=dict(embed_dims=8, num_layers=[1, 1, 1, 1]),
            decode_head=dict(in_channels=[8, 16, 40, 64], channels=16, num_classes=NUM_CLASSES),
        ),
    ),
}
CASCADE = 'ocrnet/ocrnet_r101-d8_4xb2-40k_cityscapes-512x1024.py'
POINTREND = 'point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py'
# Networks that do not take every image, or do not do the same twice.
_VIT = dict(embed_dims=16, num_heads=2)
_VIT_UPERNET = dict(
    backbone=_VIT,
    neck=dict(embed_dim=16),
    decode_head=dict(in_channels=[16] * 4, channels=8, num_classes=NUM_CLASSES),
    auxiliary_head=dict(in_channels=16, channels=8, num_classes=NUM_CLASSES),
)
PECULIAR_CONFIGS = {
    'pools 49x49 pixels': (
        'mobilenet_v3/mobilenet-v3-d8-s_lraspp_4xb4-320k_cityscapes-512x1024.py',
        dict(decode_head=dict(num_classes=NUM_CLASSES)),
        (400, 400),
    ),
    'relative positions of one size': (
        'mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512.py',
        _VIT_UPERNET,
        (512, 512),
    ),
    'random bases': (
        'segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py',
        dict(decode_head=dict(num_classes=NUM_CLASSES)),
        (64, 64),
    ),
    'nested features': (
        'dpt/dpt_vit-b16_8xb2-160k_ade20k-512x512.py',
        dict(
            backbone=_VIT,
            decode_head=dict(
                in_channels=[16] * 4,
                channels=8,
                embed_dims=16,
                post_process_channels=[8] * 4,
                num_classes=NUM_CLASSES,
            ),
        ),
        (64, 64),
    ),
}


def peculiar_model_config(name):
    """One of the stock models that take not every image, or do not the same twice; small."""
    path, changes, size = PECULIAR_CONFIGS[name]
    config = Config.fromstring(f"_base_ = 'mmseg::{path}'", '.py')
    config.merge_from_dict(dict(model=changes))
    model = _local(config.model)
    model.data_preprocessor.size = size
    return model


def stock_model_config(name):
    """The stock model config, small, without the download of pretrained weights."""
    path, changes = STOCK_CONFIGS[name]
    config = Config.fromstring(f"_base_ = 'mmseg::{path}'", '.py')
    config.merge_from_dict(dict(model=changes))
    return _local(config.model)


def cascade_model_config():
    """OCRNet, a cascade of two heads."""
    model = Config.fromstring(f"_base_ = 'mmseg::{CASCADE}'", '.py').model
    model.backbone.update(_RESNET)
    first, second = model.decode_head
    first.update(in_channels=32, channels=8, num_classes=NUM_CLASSES)
    second.update(in_channels=64, channels=16, ocr_channels=8, num_classes=NUM_CLASSES)
    return _local(model)


def pointrend_model_config():
    """PointRend, a cascade whose last head has no pass without test options."""
    model = Config.fromstring(f"_base_ = 'mmseg::{POINTREND}'", '.py').model
    model.backbone.update(_RESNET)
    model.neck.update(in_channels=[8, 16, 32, 64], out_channels=8)
    first, second = model.decode_head
    first.update(in_channels=[8] * 4, channels=8, num_classes=NUM_CLASSES)
    second.update(in_channels=[8], channels=8, num_classes=NUM_CLASSES)
    model.test_cfg.subdivision_num_points = 64
    return _local(model)


def _local(model):
    model.pretrained = None
    model.backbone.init_cfg = None
    model.data_preprocessor.size = SIZE
    return model


def build(model, label_structure=None):
    """A segmentor, initialised and in training mode; with ``label_structure`` ours around it."""
    init_default_scope('mmseg')
    if label_structure is not None:
        model = Config(dict(model=model.to_dict())).model
        model.update(type=f'LabelStructure{model.type}', label_structure=label_structure)
    segmentor = revert_sync_batchnorm(MODELS.build(model))
    segmentor.init_weights()
    return segmentor.train()


def build_autoencoder(**options):
    """A small label autoencoder, initialised and in training mode."""
    init_default_scope('mmseg')
    options = dict(num_classes=NUM_CLASSES, channels=CHANNELS) | options
    autoencoder = MODELS.build(dict(type='LabelAutoEncoder', **options))
    autoencoder.init_weights()
    return autoencoder.train()


def write_autoencoder(path, metainfo=None, **options):
    """The hand-over file of a random label autoencoder; returns its path and the autoencoder."""
    autoencoder = build_autoencoder(**options)
    save_label_autoencoder(autoencoder, autoencoder.state_dict(), path, metainfo)
    return str(path), autoencoder


def random_maps(count, size=SIZE, num_classes=NUM_CLASSES, void=0.2, seed=0):
    """(count, H, W) int64 label maps: blocks of 8 pixels, a part of them void."""
    generator = torch.Generator().manual_seed(seed)
    cells = (count, -(-size[0] // 8), -(-size[1] // 8))
    blocks = torch.randint(0, num_classes, cells, generator=generator)
    blocks[torch.rand(cells, generator=generator) < void] = 255
    maps = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return maps[:, : size[0], : size[1]]


def samples(maps, **meta):
    """Data samples with these maps, as PackSegInputs makes them."""
    made = []
    for index, label_map in enumerate(maps):
        size = tuple(label_map.shape)
        sample = SegDataSample(
            metainfo=dict(
                img_path=f'images/{index}.jpg',
                seg_map_path=f'labels/{index}.png',
                ori_shape=size,
                img_shape=size,
                **meta,
            )
        )
        sample.gt_sem_seg = PixelData(data=label_map[None])
        made.append(sample)
    return made


def data(segmentor, maps=None, training=True):
    """A preprocessed batch of random images with these label maps."""
    maps = random_maps(2) if maps is None else maps
    generator = torch.Generator().manual_seed(1)
    images = [
        torch.randint(0, 256, (3, *m.shape), dtype=torch.uint8, generator=generator) for m in maps
    ]
    batch = {'inputs': images, 'data_samples': samples(maps)}
    return segmentor.data_preprocessor(batch, training)


def has_gradient(module):
    """Whether any parameter of a module has a gradient that is not zero."""
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def encoder(decoder):
    """Arguments of the encoder head beside a decoder head's."""
    return {**decoder, 'type': 'FrozenLabelEncoderHead', 'features': ['backbone.0', 'backbone.3']}


def with_auxiliary(model, heads):
    """The stock config with other auxiliary heads."""
    model = Config(dict(model=model.to_dict())).model
    model.auxiliary_head = heads
    return model


def segmentor_with(kind, decoder, **test_cfg):
    """A segmentor in evaluation mode, and the names of its decoder branches."""
    model = stock_model_config('FCN')
    auxiliary = dict(decoder, num_classes=NUM_CLASSES, in_channels=64, in_index=3)
    stock_head = model.auxiliary_head.to_dict()
    model.test_cfg.update(test_cfg)
    if kind == 'label_structure':
        made = build(model, decoder), ['label_structure']
    elif kind == 'list':
        heads = [encoder(decoder), decoder, {**decoder, 'features': 'backbone.1'}]
        made = build(model, heads), ['label_structure_1', 'label_structure_2']
    elif kind == 'cascade':
        made = build(cascade_model_config(), decoder), ['label_structure']
    elif kind == 'auxiliary':
        made = build(with_auxiliary(model, auxiliary)), ['auxiliary_head']
    elif kind == 'auxiliary list':
        made = build(with_auxiliary(model, [stock_head, auxiliary])), ['auxiliary_head.1']
    else:
        both = build(with_auxiliary(model, [auxiliary]), [decoder])
        made = both, ['label_structure_0', 'auxiliary_head.0']
    for head in made[0].modules():
        if isinstance(head, FrozenLabelHead):
            head.load()
    return made[0].eval(), made[1]


def features_of_heads(segmentor, inputs):
    """What each head below ``label_structure`` reads of (N, 3, H, W) images."""
    with segmentor.record_features() as features:
        segmentor(inputs)
    return features


def plain_logits(segmentor, name, inputs):
    """A head's logits from features that are computed for it alone."""
    part, _, index = name.replace('label_structure_', 'label_structure.').partition('.')
    if part == 'label_structure':
        index = int(index or 0)
        features = features_of_heads(segmentor, inputs)[index]
        return segmentor.label_structure[index](features, inputs.shape[-2:])
    head = segmentor.auxiliary_head[int(index)] if index else segmentor.auxiliary_head
    return head(segmentor.extract_feat(inputs), inputs.shape[-2:])
