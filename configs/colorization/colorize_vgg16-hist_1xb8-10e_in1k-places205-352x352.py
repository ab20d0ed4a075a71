# Tables 1, 5 and 6: the long training of VGG-16.
_base_ = [
    './_base_/default_runtime.py',
    './_base_/models/colorizer_vgg16.py',
    './_base_/photos_352x352.py',
    './_base_/schedules/pretraining_10e.py',
]
