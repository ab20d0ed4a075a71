# TransUNet from random weights (Figure 7).
_base_ = [
    './_base_/models/transunet.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/finetuning_160k.py',
]
data_preprocessor = dict(size=(512, 512))
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=150),
)
