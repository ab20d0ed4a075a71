# U-Net on ResNet-50 (Table 7): skips after the ReLU of the stem and of each stage, five blocks that upsample.
norm_cfg = dict(type='SyncBN', requires_grad=True)
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='TappedBackbone',
        backbone=dict(
            type='ResNet',
            depth=50,
            norm_cfg=norm_cfg,
            init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
        ),
        taps=['relu', 'layer1', 'layer2', 'layer3', 'layer4'],
    ),
    decode_head=dict(
        type='UNetDecoderHead',
        in_channels=[64, 256, 512, 1024, 2048],
        strides=[2, 4, 8, 16, 32],
        num_classes=59,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
