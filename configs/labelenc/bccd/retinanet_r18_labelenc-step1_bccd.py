_base_ = ['./retinanet_r18_bccd.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='autoencode',
        # A quarter as wide as the paper's, like the detector.
        encoder=dict(stem_channels=32, out_channels=(64, 128, 256, 512)),
    ),
)
# A third more epochs, before the distance (LabelEnc, sec. 4.1: 30k iterations before 90k).
train_cfg = dict(max_epochs=16)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=16, milestones=[12, 15], gamma=0.1),
]
