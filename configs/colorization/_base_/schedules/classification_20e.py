# 20 epochs of ImageNet's labels (Table 4). The paper gives no more; the rate drops by ten after a half, three quarters and
# seven eighths, as that of the colorization; batches of 64, rate and decay are ours.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-2, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=20, by_epoch=True, milestones=[10, 15, 17], gamma=0.1)
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=1)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    reseed=dict(type='ReseedHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=64)
