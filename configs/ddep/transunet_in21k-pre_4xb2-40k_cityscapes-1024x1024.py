# Supervised: the encoder starts from ImageNet-21k, the decoder fresh (Figure 6).
_base_ = [
    './_base_/models/transunet_in21k.py',
    './_base_/datasets/cityscapes_1024x1024.py',
    './_base_/schedules/finetuning_40k.py',
]
data_preprocessor = dict(size=(1024, 1024))
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=19),
    # Two tiles of an image (sec. 5.1).
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(1024, 1024)),
)
