# Table 1: ResNet-152, the longest training, of smaller photos (sec. 3.1).
_base_ = [
    './_base_/default_runtime.py',
    './_base_/models/colorizer_r152.py',
    './_base_/photos_224x224.py',
    './_base_/schedules/pretraining_35e.py',
]
