# A linear classifier on all 13 convolutions of VGG-16 ("a local slice of every CNN layer", sec. 3.2).
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(256, 256),
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(type='TappedVGG'),
    decode_head=dict(
        type='HypercolumnHead',
        in_channels=[64] * 2 + [128] * 2 + [256] * 3 + [512] * 6,
        strides=[1] * 2 + [2] * 2 + [4] * 3 + [8] * 3 + [16] * 3,
        num_classes=21,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
