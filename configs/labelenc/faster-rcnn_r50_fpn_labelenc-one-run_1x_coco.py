_base_ = ['mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', './_base_/labelenc.py']
model = dict(type='LabelEncFasterRCNN', labelenc=dict(stage='one-run'))
default_hooks = dict(reseed=dict(type='ReseedHook'))
