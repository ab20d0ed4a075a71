# AlexNet, else as VGG-16.
_base_ = './hypercolumn_vgg16.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='TappedAlexNet',
        in_channels=1,
        taps=['data', 'conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7'],
    )
)
