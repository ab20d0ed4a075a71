# AlexNet, else as VGG-16.
_base_ = './colorizer_vgg16.py'
norm_cfg = dict(type='BN', affine=False, momentum=0.001)
model = dict(
    backbone=dict(
        _delete_=True,
        type='TappedAlexNet',
        in_channels=1,
        norm_cfg=norm_cfg,
        fc_norm_cfg=norm_cfg,
        taps=['data', 'conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7'],
        init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform'),
    )
)
