# With "conv-7" (Table 7): fc7 as a 1x1 convolution is one more tap.
_base_ = './pixelnet_vgg16_positives-25_1xb5-25e_bsds500.py'
model = dict(
    backbone=dict(taps=['conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3', 'fc7'])
)
