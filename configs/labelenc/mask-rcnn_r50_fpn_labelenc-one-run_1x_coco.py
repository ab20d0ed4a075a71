_base_ = ['mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', './_base_/labelenc.py']
model = dict(type='LabelEncMaskRCNN', labelenc=dict(stage='one-run'))
default_hooks = dict(reseed=dict(type='ReseedHook'))
