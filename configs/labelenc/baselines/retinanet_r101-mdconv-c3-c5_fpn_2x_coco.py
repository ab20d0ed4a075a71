# MMDetection's 2x schedule.
_base_ = './retinanet_r101-mdconv-c3-c5_fpn_1x_coco.py'
train_cfg = dict(max_epochs=24)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=24, milestones=[16, 22]),
]
