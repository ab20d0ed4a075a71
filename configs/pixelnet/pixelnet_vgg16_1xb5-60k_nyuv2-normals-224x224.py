_base_ = [
    './_base_/models/pixelnet_vgg16_nyu-normals.py',
    './_base_/datasets/nyu-normals_224x224.py',
    './_base_/schedules/nyu-normals_60k.py',
]
