# Table 5.
_base_ = './retinanet_r50_fpn_labelenc-step2-reconstruction_1x_coco.py'
model = dict(labelenc=dict(loss_weight=0))
