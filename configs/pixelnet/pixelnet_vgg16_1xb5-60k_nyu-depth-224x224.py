# Depth, which the paper mentions without figures (footnote 6): the network of the normals with one output, on mmseg's
# NYU data, at half the size of the photos. Loss and metric are mmseg's.
_base_ = [
    './_base_/models/pixelnet_vgg16_nyu-normals.py',
    'mmseg::_base_/datasets/nyu.py',
    './_base_/schedules/nyu-normals_60k.py',
]
model = dict(
    type='DepthEstimator',
    data_preprocessor=dict(type='SegDataPreProcessor', seg_pad_val=0),  # no depth
    decode_head=dict(
        _delete_=True,
        type='HypercolumnDepthHead',
        # Those of the taps, which mmseg's DepthEstimator does not fill in.
        in_channels=[64, 128, 256, 512, 512],
        strides=[1, 2, 4, 8, 16],
        sampler=dict(type='UniformPointSampler', num_points=1500),
        mlp_channels=(4096, 4096),
        mlp_dropout=0.5,
        loss_decode=dict(type='HypercolumnSiLogLoss'),
        init_cfg=dict(type='Normal', layer='Conv2d', std=1e-3, bias=0),  # that of the classes
    ),
)
scale = (1000, 240)  # half the size
meta_keys = (
    'img_path',
    'depth_map_path',
    'ori_shape',
    'img_shape',
    'pad_shape',
    'scale_factor',
    'flip',
    'flip_direction',
    'category_id',
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadDepthAnnotation', depth_rescale_factor=1e-3),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='RandomCrop', crop_size=(224, 224)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs', meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='LoadDepthAnnotation', depth_rescale_factor=1e-3),
    dict(type='PackSegInputs', meta_keys=meta_keys),
]
train_dataloader = dict(batch_size=5, num_workers=4, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
tta_model = None  # merges normals
visualizer = dict(type='SegLocalVisualizer')
