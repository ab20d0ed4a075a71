# DeP predicting the noise (Table 1, second row): Table 2's photos and noise, in the 100 epochs of all else, for
# the paper says neither.
_base_ = [
    './_base_/models/transunet.py',
    './_base_/photos_cityscapes.py',
    './_base_/schedules/pretraining_100e.py',
]
model = dict(
    type='DenoisingDecoderPretrainer', encoder=(), corruption=dict(form='simple', sigma=0.8)
)
