# MMDetection's config with COCO's metrics beside VOC's, so that no annotations need to be converted.
_base_ = 'mmdet::pascal_voc/retinanet_r50_fpn_1x_voc0712.py'
test_pipeline = [
    *_base_.test_pipeline[:-1],
    dict(
        type='PackDetInputs',  # with the objects, from which CocoMetric makes its annotations
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [_base_.val_evaluator, dict(type='CocoMetric', metric='bbox')]
test_evaluator = val_evaluator
