# ResNet-152, else as VGG-16: a subset of its layers (footnote 2), after their ReLU.
_base_ = ['./hypercolumn_vgg16.py', './resnet152.py']
model = dict(
    backbone=dict(
        _base_.resnet152,
        _delete_=True,
        taps=(
            ['relu', 'layer1.0', 'layer1.1', 'layer1.2', 'layer2.1', 'layer2.4', 'layer2.7']
            + ['layer3.5', 'layer3.10', 'layer3.15', 'layer3.20', 'layer3.25', 'layer3.30']
            + ['layer3.35', 'layer4.2']
        ),
    )
)
