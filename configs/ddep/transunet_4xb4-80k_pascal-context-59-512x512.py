# TransUNet from random weights (Table 6).
_base_ = './transunet_in21k-pre_4xb4-80k_pascal-context-59-512x512.py'
model = dict(backbone=dict(init_cfg=None))
