_base_ = [
    './_base_/models/pixelnet_vgg16_bsds.py',
    './_base_/datasets/bsds500.py',
    './_base_/schedules/bsds_25e.py',
]
