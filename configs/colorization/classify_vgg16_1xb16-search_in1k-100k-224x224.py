# Table 3, ImNt-100k: VGG-16 from random weights.
_base_ = [
    './_base_/classification_runtime.py',
    './_base_/models/classifier_vgg16.py',
    './_base_/datasets/imagenet-100k_224x224.py',
    './_base_/schedules/search.py',
]
