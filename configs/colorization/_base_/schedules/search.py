# The rate drops by ten when the score stalls, and the third stall ends the training (sec. 4.1). Rate and decay are those
# of segmentation (released code); batches of 16, what counts as a stall (three validations without a better score, 2,000
# iterations apart) and at most 400,000 iterations are ours.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [
    dict(type='ReduceOnPlateauLR', monitor='accuracy/top5', rule='greater', factor=0.1, patience=2)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=400000, val_interval=2000)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2000, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    reseed=dict(type='ReseedHook'),
    schedule_search=dict(type='ScheduleSearchHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
