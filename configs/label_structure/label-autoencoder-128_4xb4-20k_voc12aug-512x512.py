# For the PSPNets of this schedule: what they are trained on, without the images.
_base_ = 'mmseg::pspnet/pspnet_r101-d8_4xb4-20k_voc12aug-512x512.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
model = dict(_delete_=True, type='LabelAutoEncoder', num_classes=21)
# The paper's recipe in the iterations of the stock config.
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=False, milestones=[16000], gamma=0.1)]
default_hooks = dict(reseed=dict(type='ReseedHook'))
