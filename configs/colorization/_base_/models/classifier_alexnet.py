# AlexNet, else as VGG-16.
_base_ = './classifier_vgg16.py'
model = dict(
    backbone=dict(_delete_=True, type='TappedAlexNet', in_channels=1, taps=['fc7']),
)
