# "An FCN version of VGG-16" (sec. 4.2): FCN-8s, the paper does not say which.
_base_ = './hypercolumn_vgg16.py'
model = dict(
    # conv5_3 is what label structure reads: it has the stride of the code.
    backbone=dict(taps=['pool3', 'pool4', 'fc7', 'conv5_3']),
    decode_head=dict(type='FCNSkipHead', in_index=[0, 1, 2]),
)
