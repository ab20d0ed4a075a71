_base_ = './pixelnet_vgg16_1xb5-96e_pascal-context-59.py'
model = dict(decode_head=dict(num_classes=33))
train_dataloader = dict(dataset=dict(type='PascalContextDataset33'))
val_dataloader = dict(dataset=dict(type='PascalContextDataset33'))
test_dataloader = val_dataloader
