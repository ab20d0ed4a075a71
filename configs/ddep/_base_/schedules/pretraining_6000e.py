# 6000 epochs of the photos of Cityscapes (Table 2).
_base_ = './pretraining_100e.py'
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=6000,
        T_max=6000,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=6000, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=100))
