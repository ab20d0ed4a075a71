# 80 epochs at 1e-3, then a tenth and a hundredth of it for 8 each (sec. 4). The classifier learns ten times as
# fast and biases twice as fast, without decay, as in the authors' network for Context.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        bias_lr_mult=2,
        bias_decay_mult=0,
        custom_keys={
            'decode_head': dict(lr_mult=10),
            # The longest name that fits is taken.
            'decode_head.projection.bias': dict(lr_mult=20, decay_mult=0),
            'decode_head.hidden.2.bias': dict(lr_mult=20, decay_mult=0),
            'decode_head.conv_seg.bias': dict(lr_mult=20, decay_mult=0),
        },
    ),
)
param_scheduler = [dict(type='MultiStepLR', milestones=[80, 88], gamma=0.1)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=96, val_interval=8)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # The last three: epoch 80, before the first drop, is what larger scales start from.
    checkpoint=dict(type='CheckpointHook', interval=8, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    reseed=dict(type='ReseedHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=5)
log_processor = dict(by_epoch=True)
