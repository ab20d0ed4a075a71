# Table 3: ResNet-152 from random weights.
_base_ = [
    './_base_/models/hypercolumn_r152.py',
    './_base_/datasets/voc12aug_448x448.py',
    './_base_/schedules/finetuning_40k.py',
]
