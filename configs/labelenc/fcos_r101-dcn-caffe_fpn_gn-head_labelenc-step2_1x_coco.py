# Deformable convolutions as in MMDetection's improved FCOS, but in the backbone alone: the head stays
# that of step 1.
_base_ = './fcos_r101-caffe_fpn_gn-head_labelenc-step2_1x_coco.py'
model = dict(
    backbone=dict(
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    ),
)
