# Table 5.
_base_ = './retinanet_r50_fpn_labelenc-step2-reconstruction_1x_coco.py'
model = dict(labelenc=dict(init_head=False, init_neck=False))
