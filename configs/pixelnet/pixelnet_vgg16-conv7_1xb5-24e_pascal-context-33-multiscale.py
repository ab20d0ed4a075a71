_base_ = './pixelnet_vgg16-conv7_1xb5-24e_pascal-context-59-multiscale.py'
model = dict(decode_head=dict(num_classes=33))
train_dataloader = dict(dataset=dict(type='PascalContextDataset33'))
val_dataloader = dict(dataset=dict(type='PascalContextDataset33'))
test_dataloader = val_dataloader
load_from = 'work_dirs/pixelnet_vgg16-conv7_1xb5-96e_pascal-context-33-half/epoch_80.pth'
