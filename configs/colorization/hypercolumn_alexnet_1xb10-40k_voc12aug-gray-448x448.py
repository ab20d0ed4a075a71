# Tables 1 and 3: AlexNet from random weights.
_base_ = [
    './_base_/models/hypercolumn_alexnet.py',
    './_base_/datasets/voc12aug_448x448.py',
    './_base_/schedules/finetuning_40k.py',
]
