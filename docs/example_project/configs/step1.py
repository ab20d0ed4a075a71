_base_ = ['./_base_/parcels.py', 'labelenc_mm::labelenc/_base_/labelenc.py']
# Replaces the list of the second base; the tools of labelenc_mm import labelenc_mm by themselves.
custom_imports = dict(imports=['parcels'], allow_failed_imports=False)
model = dict(
    type='LabelEncCountingRetinaNet',
    labelenc=dict(
        stage='autoencode',
        # As narrow as the backbone: an eighth of the paper's width.
        encoder=dict(stem_channels=16, out_channels=(32, 64, 128, 256)),
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'), labelenc=dict(type='LabelEncHook'))
val_cfg = dict(type='LabelEncValLoop')
# A third more epochs: the first quarter runs without the distance.
train_cfg = dict(max_epochs=12)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', begin=0, end=12, by_epoch=True, milestones=[10, 11], gamma=0.1),
]
