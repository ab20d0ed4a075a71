# The photos of PASCAL VOC, in the place of ImageNet-21k (Table 3).
_base_ = [
    './_base_/models/transunet_in21k.py',
    './_base_/photos_voc12.py',
    './_base_/schedules/pretraining_100e.py',
]
model = dict(type='DenoisingDecoderPretrainer', corruption=dict(gamma=0.95))
