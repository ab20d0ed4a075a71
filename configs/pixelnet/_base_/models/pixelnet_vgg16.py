# PixelNet's default network (sec. 4): conv-{1_2, 2_2, 3_3, 4_3, 5_3} of VGG-16 with ImageNet weights, 2,000 points
# an image, and an MLP of three layers, the hidden ones of 4,096 (fc-3).
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    # The largest stride: images may be smaller, and no tap leaves out a rim.
    size_divisor=32,
    test_cfg=dict(size_divisor=32),
)
model = dict(
    type='HypercolumnEncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='TappedVGG',
        taps=('conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3'),
        init_cfg=dict(
            type='Pretrained', checkpoint='https://download.pytorch.org/models/vgg16-397923af.pth'
        ),
    ),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=59,
        mlp_channels=(4096, 4096),
        mlp_dropout=0.5,
        hypercolumn_dropout=0.5,  # in the authors' networks for Context and BSDS, not in those for VOC
        num_points=2000,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        init_cfg=dict(
            type='Normal', layer='Conv2d', std=1e-3
        ),  # "Gaussian initialization", biases 0
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
