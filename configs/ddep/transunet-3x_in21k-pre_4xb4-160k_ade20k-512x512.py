# A decoder of three times the width (Figure 7).
_base_ = './transunet_in21k-pre_4xb4-160k_ade20k-512x512.py'
model = dict(decode_head=dict(width_mult=3))
