# Edges (sec. 5.3): SGD for 25 epochs, the rate divided by 10 at 15 and 20. Rates of the authors' network for BSDS: the MLP
# has 10 times that of the convolutions, biases twice as much and no weight decay.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
tta_model = dict(type='EdgeTTAModel')
_bias = dict(lr_mult=20.0, decay_mult=0.0)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        bias_lr_mult=2.0,
        bias_decay_mult=0.0,
        # A name that matches takes its factors from here alone, the longest first.
        custom_keys={
            'decode_head': dict(lr_mult=10.0),
            'decode_head.projection.bias': _bias,
            'decode_head.hidden.2.bias': _bias,
            'decode_head.conv_seg.bias': _bias,
        },
    ),
)
param_scheduler = [dict(type='MultiStepLR', milestones=[15, 20], gamma=0.1)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=25, val_interval=25)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
visualizer = dict(type='MapVisualizer')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=5, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    reseed=dict(type='ReseedHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=5)
log_processor = dict(by_epoch=True)
