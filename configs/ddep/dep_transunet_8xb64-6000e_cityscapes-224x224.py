# The whole network from random weights (DeP), scaled noise (Figure 6). Photos and length are those of Table 2,
# since the paper gives no others.
_base_ = [
    './_base_/models/transunet.py',
    './_base_/photos_cityscapes.py',
    './_base_/schedules/pretraining_6000e.py',
]
model = dict(type='DenoisingDecoderPretrainer', encoder=(), corruption=dict(gamma=0.95))
