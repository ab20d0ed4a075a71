# Segmentation by a hypercolumn of VGG-16, the taps of the pretraining, on gray images and without batch normalisation
# (sec. 4.1). One hidden layer of 1024 and 128 points an image, at least 32 pixels from the border; its scores are
# computed at every fourth pixel and interpolated: all as in the released code.
model = dict(
    type='HypercolumnEncoderDecoder',
    data_preprocessor=dict(
        type='GraySegDataPreProcessor',
        size=(448, 448),
        mean=[114.45] * 3,
        std=[255.0] * 3,
        bgr_to_rgb=True,
        seg_pad_val=255,
        # The largest stride: images may be smaller, and no tap leaves out a rim.
        test_cfg=dict(size_divisor=32),
    ),
    backbone=dict(
        type='TappedVGG',
        in_channels=1,
        taps=(
            ['data', 'conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1', 'conv3_2', 'conv3_3']
            + ['conv4_1', 'conv4_2', 'conv4_3', 'conv5_1', 'conv5_2', 'conv5_3', 'fc6', 'fc7']
        ),
    ),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=21,
        mlp_channels=[1024],
        num_points=128,
        point_border=32,
        test_stride=4,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        init_cfg=dict(
            type='Kaiming',
            layer='Conv2d',
            override=dict(type='Normal', name='projection', std=1e-4),
        ),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
