# Table 3: VGG-16 from random weights.
_base_ = [
    './_base_/models/hypercolumn_vgg16.py',
    './_base_/datasets/voc12aug_448x448.py',
    './_base_/schedules/finetuning_40k.py',
]
