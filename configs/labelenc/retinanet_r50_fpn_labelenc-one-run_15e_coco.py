_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', './_base_/labelenc.py']
model = dict(type='LabelEncRetinaNet', labelenc=dict(stage='one-run'))
default_hooks = dict(reseed=dict(type='ReseedHook'))
# The 1x schedule after 3 epochs of labels alone.
train_cfg = dict(max_epochs=15)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=15, milestones=[11, 14]),
]
