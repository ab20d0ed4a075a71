# Table 3: with conv-7, scales (0.25, 0.5).
_base_ = [
    './_base_/models/pixelnet_vgg16-conv7.py',
    './_base_/datasets/pascal_context_59.py',
    './_base_/schedules/sgd_96e.py',
]
