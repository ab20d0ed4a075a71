# 24 epochs from the snapshot before the first drop, the rate divided by ten every 8 (sec. 4.1, analysis 4).
_base_ = './sgd_96e.py'
param_scheduler = [dict(type='MultiStepLR', milestones=[8, 16], gamma=0.1)]
train_cfg = dict(max_epochs=24)
