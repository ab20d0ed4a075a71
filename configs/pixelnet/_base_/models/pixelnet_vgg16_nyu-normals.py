# PixelNet for surface normals (sec. 3 and 5.2): hypercolumns of conv1_2 to conv5_3 of VGG-16, an MLP of two hidden layers
# of 4096, three numbers at 1500 points an image (authors' code).
size_divisor = 32  # the largest stride: photos may be smaller, and of different sizes
model = dict(
    type='SurfaceNormalEstimator',
    data_preprocessor=dict(
        type='NormalDataPreProcessor',
        # What the weights were trained with; the authors' Caffe network has means alone.
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size_divisor=size_divisor,
        test_cfg=dict(size_divisor=size_divisor),
    ),
    backbone=dict(
        type='TappedVGG',
        taps=['conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3'],
        init_cfg=dict(
            type='Pretrained', checkpoint='https://download.pytorch.org/models/vgg16-397923af.pth'
        ),
    ),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=3,
        targets=dict(type='VectorMapTargets', field='gt_normals'),
        sampler=dict(type='UniformPointSampler', num_points=1500),
        mlp_channels=(4096, 4096),
        mlp_dropout=0.5,
        loss_decode=dict(type='SurfaceNormalLoss'),
        init_cfg=dict(type='Normal', layer='Conv2d', std=5e-4, bias=0.1),  # authors' network
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
