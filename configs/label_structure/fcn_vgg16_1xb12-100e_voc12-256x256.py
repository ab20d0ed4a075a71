_base_ = [
    './_base_/models/fcn_vgg16.py',
    './_base_/datasets/voc12_256x256.py',
    './_base_/schedules/scratch_100e.py',
]
