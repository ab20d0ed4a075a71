_base_ = ['./retinanet_efficientnet-lite0_voc12.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='autoencode',
        # As wide as the backbone, as in the paper.
        encoder=dict(stem_channels=12, out_channels=(24, 40, 112, 320)),
    ),
)
# A third more epochs, before the distance (LabelEnc, sec. 4.1: 30k iterations before 90k).
train_cfg = dict(max_epochs=32, val_interval=8)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=32, milestones=[24, 30]),
]
