# TransUNet from random weights (Figure 6).
_base_ = './transunet_in21k-pre_4xb2-40k_cityscapes-1024x1024.py'
model = dict(backbone=dict(init_cfg=None))
