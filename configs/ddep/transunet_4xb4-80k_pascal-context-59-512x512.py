# TransUNet from random weights (Table 6).
_base_ = [
    './_base_/models/transunet.py',
    './_base_/datasets/pascal_context_59_512x512.py',
    './_base_/schedules/finetuning_80k.py',
]
data_preprocessor = dict(size=(512, 512))
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=59),
)
