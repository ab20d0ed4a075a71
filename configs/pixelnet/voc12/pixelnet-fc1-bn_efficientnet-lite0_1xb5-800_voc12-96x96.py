# A linear classifier on taps of zero mean and unit variance (`lin_bn` in the authors' code).
_base_ = './pixelnet-fc1_efficientnet-lite0_1xb5-800_voc12-96x96.py'
model = dict(decode_head=dict(tap_norm_cfg=dict(_delete_=True, type='BN', affine=False)))
