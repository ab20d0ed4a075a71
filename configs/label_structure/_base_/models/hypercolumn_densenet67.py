# DenseNet with 67 layers and a growth rate of 48 (sec. 3.2), inferred beyond that: docs/hypercolumns.md.
_base_ = './hypercolumn_vgg16.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='TappedDenseNet',
        arch=67,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
    # Stem and the four dense blocks.
    decode_head=dict(in_channels=[128, 416, 800, 1184, 1568], strides=[2, 4, 8, 16, 16]),
)
