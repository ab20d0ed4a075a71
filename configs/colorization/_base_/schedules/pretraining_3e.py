# Stochastic gradient descent with momentum 0.9, 3 epochs, 2 of them at the first rate (sec. 3.1). Batches of 8, the rate
# and its drops by ten, a weight decay of 5e-4, twice the rate and no decay of biases: released code.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=3, by_epoch=True, milestones=[2], gamma=0.1)
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=1)
auto_scale_lr = dict(enable=False, base_batch_size=8)
