# Deformable convolutions as in MMDetection's improved FCOS, but in the backbone alone, as in our step 2.
_base_ = 'mmdet::fcos/fcos_r101-caffe_fpn_gn-head-1x_coco.py'
model = dict(
    backbone=dict(
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    ),
)
