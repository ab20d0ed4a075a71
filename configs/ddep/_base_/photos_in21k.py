# ImageNet-21k, which the paper pretrains on unless it says otherwise (sec. 4.2).
_base_ = './photos.py'
train_dataloader = dict(dataset=dict(data_root='data/imagenet21k/'))
val_dataloader = dict(dataset=dict(data_root='data/imagenet21k/'))
test_dataloader = val_dataloader
