_base_ = './_base_/parcels.py'
model = dict(
    type='LabelEncCountingRetinaNet',
    labelenc=dict(
        stage='autoencode',
        # As narrow as the backbone: an eighth of the paper's width.
        encoder=dict(stem_channels=16, out_channels=(32, 64, 128, 256)),
    ),
)
# A third more epochs: the first quarter runs without the distance.
train_cfg = dict(max_epochs=12)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', begin=0, end=12, by_epoch=True, milestones=[10, 11], gamma=0.1),
]
