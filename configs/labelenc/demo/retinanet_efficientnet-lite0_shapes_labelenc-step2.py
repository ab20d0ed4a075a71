_base_ = ['./retinanet_efficientnet-lite0_shapes.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='supervise',
        encoder=dict(stem_channels=16, out_channels=(32, 64, 128, 256)),
        init_from='work_dirs/demo/step1-seed=0/label_encoding.safetensors',
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
