_base_ = ['./retinanet_efficientnet-lite0_shapes.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='autoencode',
        # An eighth of the paper's width, about as much as the backbone is narrower than ResNet-50.
        encoder=dict(stem_channels=16, out_channels=(32, 64, 128, 256)),
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
# The detector's own schedule, after a quarter of the training without the distance.
train_cfg = dict(max_epochs=12)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=12, milestones=[9, 11]),
]
