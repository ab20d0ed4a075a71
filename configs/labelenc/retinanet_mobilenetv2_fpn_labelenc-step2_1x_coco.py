_base_ = ['./baselines/retinanet_mobilenetv2_fpn_1x_coco.py', './_base_/labelenc.py']
# The file of step 1 is that of ResNet-50 (LabelEnc, Table 3).
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/retinanet_r50_fpn_labelenc-step1_16e_coco/label_encoding.safetensors',
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
