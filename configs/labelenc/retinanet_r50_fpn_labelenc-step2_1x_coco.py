_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', './_base_/labelenc.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/retinanet_r50_fpn_labelenc-step1_16e_coco/label_encoding.safetensors',
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
