# 80,000 iterations of 16 images, half the rate every 10,000, twice the rate of biases, gradients clipped at a norm of 10,
# a decay of 1e-6 (code of Krähenbühl and others, whose training the paper takes over, sec. 5.1).
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=1e-6),
    paramwise_cfg=dict(bias_lr_mult=2.0),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type='StepLR', begin=0, end=80000, by_epoch=False, step_size=10000, gamma=0.5)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000, val_interval=10000)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=10000, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    reseed=dict(type='ReseedHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
