# PixelNet for edges (sec. 3 and 5.3): hypercolumns of conv1_2 to conv5_3 of VGG-16, an MLP of two hidden layers of 4096,
# one logit at 2000 points an image, of which a quarter are edges.
data_preprocessor = dict(
    type='SegDataPreProcessor',
    # What the weights were trained with; the authors' Caffe network has means alone.
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    # The largest stride: images of one batch have different sizes, and may be smaller.
    size_divisor=32,
    test_cfg=dict(size_divisor=32),
)
model = dict(
    type='HypercolumnEncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='TappedVGG',
        taps=['conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3'],
        init_cfg=dict(
            type='Pretrained', checkpoint='https://download.pytorch.org/models/vgg16-397923af.pth'
        ),
    ),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        targets=dict(type='LabelMapTargets', field='gt_edge_map'),
        sampler=dict(type='BalancedPointSampler', num_points=2000, positive_share=0.25),
        mlp_channels=(4096, 4096),
        mlp_dropout=0.5,
        hypercolumn_dropout=0.5,  # the authors' network for BSDS
        loss_decode=dict(type='BalancedEdgeLoss'),
        init_cfg=dict(type='Normal', layer='Conv2d', std=1e-3, bias=0),  # authors' network
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
