# The baseline of Tables 1 and 2: fc-3, hidden layers of 4,096, 2,000 points of each of 5 images.
_base_ = [
    './_base_/models/pixelnet_vgg16.py',
    './_base_/datasets/pascal_context_59.py',
    './_base_/schedules/sgd_96e.py',
]
