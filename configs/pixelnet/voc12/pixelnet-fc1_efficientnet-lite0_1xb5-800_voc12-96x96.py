# fc-1: a linear classifier (Table 1), on the taps as they are.
_base_ = './pixelnet-fc1-bn_efficientnet-lite0_1xb5-800_voc12-96x96.py'
model = dict(decode_head=dict(tap_norm_cfg=None))
