_base_ = ['./faster-rcnn_r50_fpn_1x_voc0712.py', '../_base_/labelenc.py']
model = dict(
    type='LabelEncFasterRCNN',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/faster-rcnn_r50_fpn_labelenc-step1_16e_voc0712/label_encoding.safetensors',
        distance_end=8 / 9,  # an epoch is a quarter of the training here
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
