# Table 4: R16, classes joined to 16 at random.
_base_ = './classify_vgg16_1xb64-20e_in1k-224x224.py'
train_dataloader = dict(dataset=dict(ann_file='variants/r16_seed0.txt', num_classes=16))
val_dataloader = dict(dataset=dict(ann_file='variants/r16_seed0_val.txt', num_classes=16))
test_dataloader = val_dataloader
model = dict(num_classes=16)
