# ADE20K's 20,210 training images (Table 3), from their folder; its validation images are held out.
_base_ = './photos.py'
root = 'data/ade/ADEChallengeData2016/'
train_dataloader = dict(
    dataset=dict(data_root=root, ann_file='', data_prefix=dict(img_path='images/training'))
)
val_dataloader = dict(
    dataset=dict(data_root=root, ann_file='', data_prefix=dict(img_path='images/validation'))
)
test_dataloader = val_dataloader
