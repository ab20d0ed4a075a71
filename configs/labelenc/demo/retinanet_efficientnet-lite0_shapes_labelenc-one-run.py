_base_ = ['./retinanet_efficientnet-lite0_shapes.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='one-run',
        # An eighth of the paper's width, about as much as the backbone is narrower than ResNet-50.
        encoder=dict(stem_channels=16, out_channels=(32, 64, 128, 256)),
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
# A quarter more epochs, of labels alone.
train_cfg = dict(max_epochs=11)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=11, milestones=[8, 10]),
]
