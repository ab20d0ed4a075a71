# Table 3, ImNt-10k: ResNet-152 from random weights.
_base_ = './classify_r152_1xb16-search_in1k-100k-224x224.py'
train_dataloader = dict(dataset=dict(ann_file='variants/10-a-class/9000_seed0.txt'))
val_dataloader = dict(dataset=dict(ann_file='variants/10-a-class/heldout_1000_seed0.txt'))
