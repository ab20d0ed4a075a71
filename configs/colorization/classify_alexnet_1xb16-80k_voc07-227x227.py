# Table 1: AlexNet from random weights.
_base_ = [
    './_base_/classification_runtime.py',
    './_base_/models/classifier_alexnet_voc07.py',
    './_base_/datasets/voc07_227x227.py',
    './_base_/schedules/voc07_80k.py',
]
