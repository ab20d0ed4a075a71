# Table 1: AlexNet, trained for long.
_base_ = [
    './_base_/default_runtime.py',
    './_base_/models/colorizer_alexnet.py',
    './_base_/photos_352x352.py',
    './_base_/schedules/pretraining_10e.py',
]
