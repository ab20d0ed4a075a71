# With "conv-7": fc7 as a 1x1 convolution is one more tap.
_base_ = './pixelnet_vgg16_1xb5-60k_nyuv2-normals-224x224.py'
model = dict(backbone=dict(taps=['conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3', 'fc7']))
