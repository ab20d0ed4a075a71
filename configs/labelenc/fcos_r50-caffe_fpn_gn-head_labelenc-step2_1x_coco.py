_base_ = ['mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', './_base_/labelenc.py']
model = dict(
    type='LabelEncFCOS',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/fcos_r50-caffe_fpn_gn-head_labelenc-step1_16e_coco/label_encoding.safetensors',
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
