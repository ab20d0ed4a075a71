# The same for 80k iterations of 16 images, MMSegmentation's for Pascal Context.
_base_ = './finetuning_40k.py'
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=80000, T_max=80000, by_epoch=False)]
train_cfg = dict(max_iters=80000, val_interval=8000)
default_hooks = dict(checkpoint=dict(interval=8000))
auto_scale_lr = dict(base_batch_size=16)
