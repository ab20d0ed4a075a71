# A decoder of three times the width (Table 6).
_base_ = './transunet_in21k-pre_4xb4-80k_pascal-context-59-512x512.py'
model = dict(decode_head=dict(width_mult=3))
