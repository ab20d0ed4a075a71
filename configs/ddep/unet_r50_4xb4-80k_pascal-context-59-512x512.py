# U-Net on ResNet-50 from random weights (Table 7).
_base_ = './unet_r50_in1k-pre_4xb4-80k_pascal-context-59-512x512.py'
model = dict(backbone=dict(backbone=dict(init_cfg=None)))
