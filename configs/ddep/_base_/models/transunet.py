# TransUNet (sec. 5.1): the hybrid vision transformer R50+ViT-B/16 and a U-Net decoder whose first block works at
# stride 16. Its ImageNet-21k weights: tools/model_converters/convert_hybrid_vit.py, then
# model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...). They expect images in [-1, 1].
norm_cfg = dict(type='SyncBN', requires_grad=True)
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[127.5, 127.5, 127.5],
    std=[127.5, 127.5, 127.5],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(type='HybridViT'),
    decode_head=dict(
        type='UNetDecoderHead',
        in_channels=[64, 256, 512, 768],
        strides=[2, 4, 8, 16],
        num_classes=59,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
