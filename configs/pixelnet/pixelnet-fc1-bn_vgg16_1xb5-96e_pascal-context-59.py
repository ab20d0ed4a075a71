# A linear classifier on taps of zero mean and unit variance, which learns at 1e-3 (`lin_bn` in the authors' code).
_base_ = './pixelnet_vgg16_1xb5-96e_pascal-context-59.py'
model = dict(decode_head=dict(mlp_channels=(), tap_norm_cfg=dict(type='SyncBN', affine=False)))
