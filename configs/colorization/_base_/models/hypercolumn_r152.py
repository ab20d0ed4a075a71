# ResNet-152, else as VGG-16: a subset of its layers (footnote 2), after their ReLU. It keeps its batch normalisation,
# which helps (sec. 4.1); statistics of the batches move by a thousandth an iteration (released code).
_base_ = './hypercolumn_vgg16.py'
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
        taps=(
            ['relu', 'layer1.0', 'layer1.1', 'layer1.2', 'layer2.1', 'layer2.4', 'layer2.7']
            + ['layer3.5', 'layer3.10', 'layer3.15', 'layer3.20', 'layer3.25', 'layer3.30']
            + ['layer3.35', 'layer4.2']
        ),
    )
)
