# A quarter, half and the full size; with --tta probabilities of all three are averaged, and of flipped images
# (sec. 4.1, analysis 4).
_base_ = './pascal_context_59.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='CheckLabelMapSize'),
    dict(
        type='RandomChoice',
        transforms=[
            [dict(type='Resize', scale_factor=s, keep_ratio=True)] for s in (0.25, 0.5, 1.0)
        ],
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=s, keep_ratio=True) for s in (0.25, 0.5, 1.0)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
