# Table 6.
_base_ = './retinanet_r50_fpn_distill-r50_1x_coco.py'
model = dict(
    labelenc=dict(
        teacher='mmdet::retinanet/retinanet_r101_fpn_1x_coco.py',
        init_from='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_1x_coco/retinanet_r101_fpn_1x_coco_20200130-7a93545f.pth',
    ),
)
