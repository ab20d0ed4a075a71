# RetinaNet with ResNet-18 from scratch on 1100 / 349 photos of PASCAL VOC 2012 at 224 pixels: 20 classes that
# two CPU cores can carry. The baseline of this folder; the network is that of BCCD.
_base_ = '../bccd/retinanet_r18_bccd.py'

metainfo = dict(
    classes=(
        'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow',
        'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train',
        'tvmonitor',
    ),
)  # fmt: skip
data_root = 'data/voc12/'
scale = (224, 224)

model = dict(bbox_head=dict(num_classes=20))
train_pipeline = _base_.train_pipeline
train_pipeline[2].update(scale=scale)
train_pipeline[3].update(direction='horizontal')
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=scale)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(data_root=data_root, metainfo=metainfo, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    dataset=dict(data_root=data_root, metainfo=metainfo, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'val.json')
test_evaluator = val_evaluator
train_cfg = dict(val_interval=3)
auto_scale_lr = dict(base_batch_size=8)
