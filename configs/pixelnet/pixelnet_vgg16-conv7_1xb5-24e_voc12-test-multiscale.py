# Files for the test server of PASCAL VOC 2012: `tools/test.py` with --tta on this config and a checkpoint of its base
# writes PNGs with palette, to be packed with the folder `results`.
_base_ = './pixelnet_vgg16-conv7_1xb5-24e_voc12aug-multiscale.py'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=0.5, keep_ratio=True),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=s, keep_ratio=True) for s in (0.25, 0.5, 1.0)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackSegInputs')],
        ],
    ),
]
test_dataloader = dict(
    dataset=dict(ann_file='ImageSets/Segmentation/test.txt', pipeline=test_pipeline)
)
# comp6: other data than VOC's own were trained on.
test_evaluator = dict(
    type='PaletteIoUMetric',
    format_only=True,
    output_dir='work_dirs/voc12-test/results/VOC2012/Segmentation/comp6_test_cls',
)
