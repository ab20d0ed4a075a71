# A decoder of three times the width (Tables 4 and 6, Figure 7).
_base_ = './ddep_transunet_8xb64-100e_in21k-224x224.py'
model = dict(decode_head=dict(width_mult=3))
