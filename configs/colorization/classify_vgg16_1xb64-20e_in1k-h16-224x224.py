# Table 4: H16, classes joined to 16 by the tree of WordNet.
_base_ = './classify_vgg16_1xb64-20e_in1k-224x224.py'
train_dataloader = dict(dataset=dict(ann_file='variants/h16.txt', num_classes=16))
val_dataloader = dict(dataset=dict(ann_file='variants/h16_val.txt', num_classes=16))
test_dataloader = val_dataloader
model = dict(num_classes=16)
