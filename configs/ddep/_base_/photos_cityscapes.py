# Cityscapes' training images, 2,975 with fine and 19,998 with coarse labels (Table 3), from their two folders;
# the validation images are held out.
_base_ = './photos.py'
root = 'data/cityscapes/leftImg8bit/'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type='PhotoDataset',
                data_root=root,
                data_prefix=dict(img_path=folder),
                pipeline=_base_.train_pipeline,
            )
            for folder in ('train', 'train_extra')
        ],
    )
)
val_dataloader = dict(dataset=dict(data_root=root, ann_file='', data_prefix=dict(img_path='val')))
test_dataloader = val_dataloader
