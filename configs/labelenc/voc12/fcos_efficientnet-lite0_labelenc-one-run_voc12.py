_base_ = ['./fcos_efficientnet-lite0_voc12.py']
model = dict(
    type='LabelEncFCOS',
    labelenc=dict(
        stage='one-run',
        # As wide as the backbone, as in the paper.
        encoder=dict(stem_channels=12, out_channels=(24, 40, 112, 320)),
    ),
)
# A quarter more epochs, of labels alone.
train_cfg = dict(max_epochs=30, val_interval=6)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=30, milestones=[22, 28]),
]
