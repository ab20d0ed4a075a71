# Table 3: ResNet-152; the 3 epochs of all comparisons, of photos as large as theirs (sec. 3.1).
_base_ = [
    './_base_/default_runtime.py',
    './_base_/models/colorizer_r152.py',
    './_base_/photos_352x352.py',
    './_base_/schedules/pretraining_3e.py',
]
model = dict(
    data_preprocessor=dict(size=(352, 352)),
    decode_head=dict(sampler=dict(border=96)),
)
