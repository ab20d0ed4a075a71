_base_ = ['mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', './_base_/labelenc.py']
# Of a level of stride 4 the distance is dear: half of the images are compared, at a weight of that half.
model = dict(
    type='LabelEncMaskRCNN', labelenc=dict(stage='one-run', label_share=0.5, loss_weight=0.5)
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
# The 1x schedule after 3 epochs of labels alone.
train_cfg = dict(max_epochs=15)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=15, milestones=[11, 14]),
]
