# Surface normals of the relief.
_base_ = './segmentation_efficientnet-lite0_shapes.py'
model = dict(
    type='SurfaceNormalEstimator',
    data_preprocessor=dict(type='NormalDataPreProcessor'),
    decode_head=dict(
        num_classes=3,
        targets=dict(type='VectorMapTargets', field='gt_normals'),
        loss_decode=dict(_delete_=True, type='SurfaceNormalLoss'),
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadNormals'),
    # Not flipped: the light, which comes from the left, would come from the right.
    dict(type='PhotoMetricDistortion'),
    dict(type='PackNormals'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadNormals'),
    dict(type='PackNormals'),
]
dataset = dict(_delete_=True, type='NYUNormalDataset', data_root='data/shapes/', img_suffix='.png')
train_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/train', normal_map_path='normals/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/val', normal_map_path='normals/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='SurfaceNormalMetric')
test_evaluator = val_evaluator
