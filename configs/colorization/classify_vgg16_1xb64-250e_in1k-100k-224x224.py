# Table 4: C1000 from 100 images of each class, 250 epochs.
_base_ = './classify_vgg16_1xb64-20e_in1k-224x224.py'
train_dataloader = dict(dataset=dict(ann_file='variants/100-a-class_seed0.txt'))
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=250, by_epoch=True, milestones=[125, 188, 219], gamma=0.1)
]
train_cfg = dict(max_epochs=250, val_interval=10)
default_hooks = dict(checkpoint=dict(interval=10))
