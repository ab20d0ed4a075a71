# Tables 2 and 5: supervision and initialization from a step 1 on the reconstruction loss alone.
_base_ = '../retinanet_r50_fpn_labelenc-step2_1x_coco.py'
model = dict(
    labelenc=dict(
        init_from='work_dirs/retinanet_r50_fpn_labelenc-step1-reconstruction_16e_coco/label_encoding.safetensors',
    ),
)
