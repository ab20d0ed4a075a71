# Each photo has a level of its own (Table 4).
_base_ = './ddep_transunet-3x_8xb64-100e_in21k-224x224.py'
model = dict(corruption=dict(gamma=(0.9, 0.95)))
