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
    type='HypercolumnEncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(type='TappedVGG'),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=21,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
