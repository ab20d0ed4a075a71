_base_ = [
    './_base_/models/pixelnet_vgg16_bsds.py',
    './_base_/datasets/bsds500_full-size.py',
    './_base_/schedules/bsds_25e.py',
]
model = dict(
    backbone=dict(taps=['conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3', 'fc7'])
)
