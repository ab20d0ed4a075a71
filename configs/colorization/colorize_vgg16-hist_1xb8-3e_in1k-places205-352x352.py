# Table 2, histograms, and Table 3; the 3 epochs of all comparisons.
_base_ = [
    './_base_/default_runtime.py',
    './_base_/models/colorizer_vgg16.py',
    './_base_/photos_352x352.py',
    './_base_/schedules/pretraining_3e.py',
]
