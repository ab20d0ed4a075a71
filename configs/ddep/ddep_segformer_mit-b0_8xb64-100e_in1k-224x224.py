# DDeP of the stock SegFormer. Leaves work_dirs/ddep_segformer_mit-b0_8xb64-100e_in1k-224x224/pretrained_segmentor.pth;
# a stock config takes it by load_from, with model.backbone.init_cfg=None.
_base_ = [
    'mmseg::_base_/models/segformer_mit-b0.py',
    './_base_/photos_in1k.py',
    './_base_/schedules/pretraining_100e.py',
]
checkpoint = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b0_20220624-7e0fe6dd.pth'
model = dict(
    type='DenoisingDecoderPretrainer',
    corruption=dict(gamma=0.95),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
)
