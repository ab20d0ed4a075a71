# DenseNet with 67 layers and a growth rate of 48 (sec. 3.2), inferred beyond that: docs/hypercolumns.md.
# Its taps are the stem and the four dense blocks.
_base_ = './hypercolumn_vgg16.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='TappedDenseNet',
        arch=67,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
)
