# A decoder of twice the width (Figure 6), for which the paper raises the rate (sec. 5.1).
_base_ = './ddep_transunet_8xb64-100e_in21k-224x224.py'
model = dict(decode_head=dict(width_mult=2))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
