# The file of step 1 is that of ResNet-50 (LabelEnc, Table 3).
_base_ = './retinanet_r50_fpn_labelenc-step2_1x_coco.py'
model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    ),
)
