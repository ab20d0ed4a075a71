# Table 3.
_base_ = '../retinanet_r101_fpn_labelenc-step2_1x_coco.py'
model = dict(
    labelenc=dict(
        init_from='work_dirs/retinanet_r101_fpn_labelenc-step1_16e_coco/label_encoding.safetensors',
    ),
)
