# The same for 160k iterations of 16 images, MMSegmentation's for ADE20K.
_base_ = './finetuning_40k.py'
param_scheduler = [
    dict(type='CosineAnnealingLR', begin=0, end=160000, T_max=160000, by_epoch=False)
]
train_cfg = dict(max_iters=160000, val_interval=16000)
default_hooks = dict(checkpoint=dict(interval=16000))
auto_scale_lr = dict(base_batch_size=16)
