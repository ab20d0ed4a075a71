# The same at full size alone (Table 7, rows of scale 1.0).
_base_ = './bsds500.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap'),
    dict(type='RandomTurn', num_angles=16),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackEdgeInputs'),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap', keep_annotators=True),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackEdgeInputs')],
        ],
    ),
]
