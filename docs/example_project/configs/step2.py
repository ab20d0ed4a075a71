_base_ = './_base_/parcels.py'
model = dict(
    type='LabelEncCountingRetinaNet',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/step1/label_encoding.safetensors',
        encoder=dict(stem_channels=16, out_channels=(32, 64, 128, 256)),
    ),
)
