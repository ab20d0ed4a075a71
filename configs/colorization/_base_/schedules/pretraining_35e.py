# 35 epochs of the best ResNet (sec. 3.1), with drops at the same shares.
_base_ = './pretraining_3e.py'
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=35, by_epoch=True, milestones=[17, 26, 31], gamma=0.1)
]
train_cfg = dict(max_epochs=35)
