# Table 3: AlexNet; the 3 epochs of all comparisons (sec. 3.1).
_base_ = [
    './_base_/default_runtime.py',
    './_base_/models/colorizer_alexnet.py',
    './_base_/photos_352x352.py',
    './_base_/schedules/pretraining_3e.py',
]
