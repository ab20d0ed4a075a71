# From scratch (sec. 4.1): Adam at 1e-4 for 80 epochs and at 1e-5 for 20 more. What the paper leaves open
# are PyTorch's defaults: betas of 0.9 and 0.999, no weight decay.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
param_scheduler = [dict(type='MultiStepLR', milestones=[80], gamma=0.1)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=5, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    reseed=dict(type='ReseedHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=12)
log_processor = dict(by_epoch=True)
