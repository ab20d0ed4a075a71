# Table 4: C1000 from 10 images of each class, 250 epochs.
_base_ = './classify_vgg16_1xb64-250e_in1k-100k-224x224.py'
train_dataloader = dict(dataset=dict(ann_file='variants/10-a-class_seed0.txt'))
