# ResNet-152 on gray images. It keeps its batch normalisation, which helps (sec. 4.1); statistics of the batches move by
# a thousandth an iteration (released code).
resnet152 = dict(
    type='TappedBackbone',
    in_channels=1,
    backbone=dict(
        type='ResNet',
        depth=152,
        in_channels=1,
        norm_cfg=dict(type='BN', momentum=0.001),
        norm_eval=False,
    ),
)
