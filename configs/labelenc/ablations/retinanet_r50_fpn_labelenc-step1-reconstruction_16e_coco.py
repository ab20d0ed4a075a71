# Table 2: no image is looked at, nor even opened.
_base_ = '../retinanet_r50_fpn_labelenc-step1_16e_coco.py'
model = dict(labelenc=dict(joint=False))
train_dataloader = dict(
    dataset=dict(pipeline=[dict(type='LoadBlankImage'), *_base_.train_pipeline[1:]])
)
val_dataloader = dict(
    dataset=dict(pipeline=[dict(type='LoadBlankImage'), *_base_.test_pipeline[1:]])
)
