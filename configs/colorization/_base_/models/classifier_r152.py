# ResNet-152, else as VGG-16. It keeps its batch normalisation, which helps (sec. 4.1); statistics of the batches move by
# a thousandth an iteration (released code).
_base_ = './classifier_vgg16.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='TappedBackbone',
        in_channels=1,
        backbone=dict(
            type='ResNet',
            depth=152,
            in_channels=1,
            norm_cfg=dict(type='BN', momentum=0.001),
            norm_eval=False,
        ),
        taps=['layer4.2'],
    )
)
