# Pretraining for Table 4. The paper says "COCO pretraining" and no more: COCO-Stuff's 171 classes in 118k images,
# net and augmentation as on PASCAL VOC, a fifth of the epochs, are ours.
_base_ = './hypercolumn_densenet67_1xb12-100e_voc12-rrc-256x256.py'
model = dict(decode_head=dict(num_classes=171))
dataset_type = 'COCOStuffDataset'
data_root = 'data/coco_stuff164k'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='images/train2017', seg_map_path='annotations/train2017'),
        pipeline=_base_.train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='images/val2017', seg_map_path='annotations/val2017'),
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=20)
param_scheduler = [dict(type='MultiStepLR', milestones=[16], gamma=0.1)]
