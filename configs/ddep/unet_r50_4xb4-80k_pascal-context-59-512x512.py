# U-Net on ResNet-50 from random weights (Table 7).
_base_ = [
    './_base_/models/unet_r50.py',
    './_base_/datasets/pascal_context_59_512x512.py',
    './_base_/schedules/finetuning_80k.py',
]
data_preprocessor = dict(size=(512, 512))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(backbone=dict(init_cfg=None)),
    decode_head=dict(num_classes=59),
)
