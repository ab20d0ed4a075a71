_base_ = [
    'mmdet::fcos/fcos_r50-dcn-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py',
    './_base_/labelenc.py',
]
model = dict(type='LabelEncFCOS', labelenc=dict(stage='autoencode'))
default_hooks = dict(reseed=dict(type='ReseedHook'))
# The 1x schedule after 4 epochs without the distance (LabelEnc, sec. 4.1: 30k iterations before 90k).
train_cfg = dict(max_epochs=16)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=16, milestones=[12, 15]),
]
