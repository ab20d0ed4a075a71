# A decoder of twice the width (Figure 6).
_base_ = './transunet_4xb2-40k_cityscapes-1024x1024.py'
model = dict(decode_head=dict(width_mult=2))
