_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', './_base_/labelenc.py']
model = dict(type='LabelEncRetinaNet', labelenc=dict(stage='one-run'))
default_hooks = dict(reseed=dict(type='ReseedHook'))
