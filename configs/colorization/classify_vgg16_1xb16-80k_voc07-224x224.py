# Beside Table 1: VGG-16 from random weights.
_base_ = [
    './_base_/classification_runtime.py',
    './_base_/models/classifier_vgg16_voc07.py',
    './_base_/datasets/voc07_224x224.py',
    './_base_/schedules/voc07_80k.py',
]
