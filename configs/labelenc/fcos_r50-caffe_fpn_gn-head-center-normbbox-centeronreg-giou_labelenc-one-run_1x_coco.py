_base_ = [
    'mmdet::fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py',
    './_base_/labelenc.py',
]
model = dict(type='LabelEncFCOS', labelenc=dict(stage='one-run'))
default_hooks = dict(reseed=dict(type='ReseedHook'))
