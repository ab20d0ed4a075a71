# Table 3.
_base_ = '../retinanet_r50_fpn_labelenc-step1_16e_coco.py'
model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    ),
)
