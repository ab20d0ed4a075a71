# 10 epochs (sec. 3.1). The rate drops after a half, three quarters and seven eighths, as in the released code, to whole
# epochs.
_base_ = './pretraining_3e.py'
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=10, by_epoch=True, milestones=[5, 7, 9], gamma=0.1)
]
train_cfg = dict(max_epochs=10)
