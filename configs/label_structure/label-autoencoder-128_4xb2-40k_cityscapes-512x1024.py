# For the PSPNets of this schedule: what they are trained on, without the images.
_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
model = dict(_delete_=True, type='LabelAutoEncoder', num_classes=19)
# The paper's recipe in the iterations of the stock config.
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=False, milestones=[32000], gamma=0.1)]
default_hooks = dict(reseed=dict(type='ReseedHook'))
