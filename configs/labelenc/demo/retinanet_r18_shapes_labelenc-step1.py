_base_ = ['./retinanet_r18_shapes.py', '../_base_/labelenc.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='autoencode',
        # An eighth of the paper's width, as the backbone is that much narrower than ResNet-50.
        encoder=dict(stem_channels=16, out_channels=(32, 64, 128, 256)),
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'), labelenc=dict(type='LabelEncHook'))
val_cfg = dict(type='LabelEncValLoop')
# The detector's own schedule, after a quarter of the training without the distance.
train_cfg = dict(max_epochs=16)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', begin=0, end=16, by_epoch=True, milestones=[13, 15], gamma=0.1),
]
