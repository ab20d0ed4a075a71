# The same U-Net, whose encoder starts from random weights and is trained like the rest.
_base_ = './unet_efficientnet-lite0_shapes.py'
model = dict(backbone=dict(init_cfg=None, frozen_stages=-1, norm_eval=False))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))))
