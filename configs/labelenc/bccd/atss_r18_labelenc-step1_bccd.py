_base_ = ['./atss_r18_bccd.py']
model = dict(
    type='LabelEncATSS',
    labelenc=dict(
        stage='autoencode',
        # As wide as the backbone, as in the paper.
        encoder=dict(stem_channels=8, out_channels=[16, 32, 64, 128]),
    ),
)
# A third more epochs, before the distance (LabelEnc, sec. 4.1: 30k iterations before 90k).
train_cfg = dict(max_epochs=16)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=16, milestones=[12, 15]),
]
