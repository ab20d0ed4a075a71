# Surface normals: SGD for 60,000 iterations, the rate divided by 10 at 50,000; biases have twice the rate and no weight
# decay (authors' code). The rate and the momentum are those of the paper's segmentation (sec. 5.1).
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
)
param_scheduler = [dict(type='MultiStepLR', milestones=[50000], gamma=0.1, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=60000, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
tta_model = dict(type='SurfaceNormalTTAModel')
visualizer = dict(type='MapVisualizer')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=10000, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    reseed=dict(type='ReseedHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=5)
