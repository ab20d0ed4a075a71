_base_ = ['./retinanet_efficientnet-lite0_bccd.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='one-run',
        # As wide as the backbone, as in the paper.
        encoder=dict(stem_channels=12, out_channels=(24, 40, 112, 320)),
    ),
)
# A quarter more epochs, of labels alone.
train_cfg = dict(max_epochs=15)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=15, milestones=[11, 14]),
]
