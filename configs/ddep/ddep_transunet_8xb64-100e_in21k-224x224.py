# The paper's main pretraining (sec. 5.1): TransUNet's decoder, scaled noise of gamma 0.95, predicting the noise.
_base_ = [
    './_base_/models/transunet_in21k.py',
    './_base_/photos_in21k.py',
    './_base_/schedules/pretraining_100e.py',
]
model = dict(type='DenoisingDecoderPretrainer', corruption=dict(gamma=0.95))
