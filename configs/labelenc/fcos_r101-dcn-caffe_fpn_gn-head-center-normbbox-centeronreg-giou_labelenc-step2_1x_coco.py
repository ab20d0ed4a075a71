# Deformable convolutions in the head, too, as in MMDetection's config and the authors' code: hence a step 1
# of its own.
_base_ = './fcos_r101-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_labelenc-step2_1x_coco.py'
model = dict(
    backbone=dict(
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    ),
    bbox_head=dict(dcn_on_last_conv=True),
    labelenc=dict(
        init_from='work_dirs/fcos_r50-dcn-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_labelenc-step1_16e_coco/label_encoding.safetensors',
    ),
)
