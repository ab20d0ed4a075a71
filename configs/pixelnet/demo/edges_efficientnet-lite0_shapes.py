# Edges: one logit, a quarter of the points on outlines of objects, whose one annotator is the generator.
_base_ = './segmentation_efficientnet-lite0_shapes.py'
model = dict(
    decode_head=dict(
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        targets=dict(type='LabelMapTargets', field='gt_edge_map'),
        sampler=dict(type='BalancedPointSampler', positive_share=0.25),
        loss_decode=dict(_delete_=True, type='BalancedEdgeLoss'),
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap', min_votes=1),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackEdgeInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap', min_votes=1, keep_annotators=True),
    dict(type='PackEdgeInputs'),
]
dataset = dict(_delete_=True, type='BSDSEdgeDataset', data_root='data/shapes/', img_suffix='.png')
train_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/train', seg_map_path='boundaries/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/val', seg_map_path='boundaries/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='BoundaryMetric', num_thresholds=33)
test_evaluator = val_evaluator
