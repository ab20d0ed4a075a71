# Table 4: E50, wrong labels for 50 % of the images.
_base_ = './classify_vgg16_1xb64-20e_in1k-224x224.py'
train_dataloader = dict(dataset=dict(ann_file='variants/e50_seed0.txt'))
