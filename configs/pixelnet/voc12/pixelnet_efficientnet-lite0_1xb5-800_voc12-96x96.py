# PixelNet (arXiv 1609.06694), small: an MLP of three layers on all outputs of EfficientNet-Lite0 with ImageNet
# weights, trained at 400 points of each of 5 images, 800 times, on 1100 / 349 images of PASCAL VOC 2012.
_base_ = '../../label_structure/voc12/hypercolumn_efficientnet-lite0_1xb6-10e_voc12-96x96.py'
# Hidden layers on taps of zero mean and unit variance, from a larger start than the paper's and without dropout: with
# the taps as they are, small Gaussians and dropout, 800 steps leave three layers at 13 mIoU on held-out images, so at 20.
model = dict(
    decode_head=dict(
        mlp_channels=(256, 256),
        mlp_dropout=0.0,
        num_points=400,
        init_cfg=dict(type='Kaiming', layer='Conv2d'),
    )
)
# The head's rate beside the network's (evidence.yml chooses it).
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=4.0))))
train_dataloader = dict(batch_size=5, sampler=dict(type='InfiniteSampler'))
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=800, val_interval=800)
# Five sixths of the training at the first rate (sec. 4: 80 of 96 epochs).
param_scheduler = [dict(type='MultiStepLR', begin=0, end=800, by_epoch=False, milestones=[667])]
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=800),
    visualization=dict(type='SegVisualizationHook'),
)
log_processor = dict(by_epoch=False)
