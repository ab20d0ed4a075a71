# Denoising pretraining (sec. 5.1): Adam, batches of 512 as 8 x 64, 100 epochs, cosine decay, 6e-5 (decoders 1x and
# 3x; 2x has 1e-4). What the paper leaves open: Adam's betas are PyTorch's, no weight decay, no warm-up, decay to 0.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=6e-5))
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=100,
        T_max=100,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='DenoisingVisualizationHook', interval=50),
    reseed=dict(type='ReseedHook'),
)
log_processor = dict(by_epoch=True)
auto_scale_lr = dict(enable=False, base_batch_size=512)
