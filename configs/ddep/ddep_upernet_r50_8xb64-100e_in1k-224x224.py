# DDeP of the stock UPerNet. Leaves work_dirs/ddep_upernet_r50_8xb64-100e_in1k-224x224/pretrained_segmentor.pth;
# a stock config takes it by load_from, with model.pretrained=None.
_base_ = [
    'mmseg::_base_/models/upernet_r50.py',
    './_base_/photos_in1k.py',
    './_base_/schedules/pretraining_100e.py',
]
model = dict(type='DenoisingDecoderPretrainer', corruption=dict(gamma=0.95))
