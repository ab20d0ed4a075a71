# Table 4: H2, classes joined to 2 by the tree of WordNet.
_base_ = './classify_vgg16_1xb64-20e_in1k-224x224.py'
train_dataloader = dict(dataset=dict(ann_file='variants/h2.txt', num_classes=2))
val_dataloader = dict(dataset=dict(ann_file='variants/h2_val.txt', num_classes=2))
test_dataloader = val_dataloader
model = dict(num_classes=2)
