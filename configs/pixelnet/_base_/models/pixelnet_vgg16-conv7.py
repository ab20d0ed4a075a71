# With conv-7, VGG's second fully connected layer as a convolution (sec. 4.1, "Adding conv-7").
_base_ = './pixelnet_vgg16.py'
model = dict(
    backbone=dict(taps=('conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3', 'fc7')),
)
