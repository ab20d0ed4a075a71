# Beside Table 1: AlexNet, pretrained by classifying ImageNet, on color images: that of torchvision, which is narrower.
_base_ = './classify_alexnet_1xb16-80k_voc07-227x227.py'
model = dict(
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    backbone=dict(
        arch='torchvision',
        in_channels=3,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.pytorch.org/models/alexnet-owt-7be5be79.pth',
        ),
    ),
)
