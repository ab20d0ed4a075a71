# Table 6, 'Vanilla KD': MMDetection's trained RetinaNet in place of the label encoding function.
_base_ = ['../baselines/retinanet_mobilenetv2_fpn_1x_coco.py', '../_base_/labelenc.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        type='FeatureDistillationHead',
        teacher='mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        init_from='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r50_fpn_1x_coco/retinanet_r50_fpn_1x_coco_20200130-c2398f9e.pth',
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
