_base_ = ['mmdet::lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py', './_base_/labelenc.py']
model = dict(
    type='LabelEncMaskRCNN',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/mask-rcnn_r50_fpn_sample1e-3_labelenc-step1_ms-16e_lvis-v1/label_encoding.safetensors',
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
