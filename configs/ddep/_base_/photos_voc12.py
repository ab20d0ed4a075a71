# PASCAL VOC (Table 3): all 17,125 photos of 2012, those of Pascal Context among them; the paper names no year.
_base_ = './photos.py'
train_dataloader = dict(dataset=dict(data_root='data/VOCdevkit/VOC2012/'))
val_dataloader = dict(dataset=dict(data_root='data/VOCdevkit/VOC2012/'))
test_dataloader = val_dataloader
