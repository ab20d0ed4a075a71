# Pretrained backbones (sec. 4.1): the classifier alone for 10 epochs at 1e-4, then everything for 40 at 1e-5.
_base_ = './scratch_100e.py'
param_scheduler = [dict(type='MultiStepLR', milestones=[10], gamma=0.1)]
train_cfg = dict(max_epochs=50)
custom_hooks = [dict(type='FrozenPhaseHook', modules=['backbone'], end=10)]
