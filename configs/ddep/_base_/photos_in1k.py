# ImageNet-1k.
_base_ = './photos.py'
train_dataloader = dict(dataset=dict(data_root='data/imagenet/'))
val_dataloader = dict(dataset=dict(data_root='data/imagenet/'))
test_dataloader = val_dataloader
