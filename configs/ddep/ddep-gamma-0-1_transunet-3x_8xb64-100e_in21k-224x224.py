# All levels of a diffusion process (sec. 4.4), which the paper tried without giving figures.
_base_ = './ddep_transunet-3x_8xb64-100e_in21k-224x224.py'
model = dict(corruption=dict(gamma=(0.0, 1.0)))
