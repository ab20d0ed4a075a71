# Sec. 6, learning rate: the 3 epochs without a drop.
_base_ = './colorize_vgg16-hist_1xb8-3e_in1k-places205-352x352.py'
param_scheduler = [dict(type='ConstantLR', factor=1.0, begin=0, end=3, by_epoch=True)]
