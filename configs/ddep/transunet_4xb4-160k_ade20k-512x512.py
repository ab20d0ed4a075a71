# TransUNet from random weights (Figure 7).
_base_ = './transunet_in21k-pre_4xb4-160k_ade20k-512x512.py'
model = dict(backbone=dict(init_cfg=None))
