# Table 4: R50, 40 epochs.
_base_ = './classify_vgg16_1xb64-20e_in1k-r50-224x224.py'
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=40, by_epoch=True, milestones=[20, 30, 35], gamma=0.1)
]
train_cfg = dict(max_epochs=40)
