_base_ = ['./_base_/parcels.py', 'labelenc_mm::labelenc/_base_/labelenc.py']
custom_imports = dict(imports=['parcels'], allow_failed_imports=False)
model = dict(
    type='LabelEncCountingRetinaNet',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/step1/label_encoding.safetensors',
        encoder=dict(stem_channels=16, out_channels=(32, 64, 128, 256)),
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'), labelenc=dict(type='LabelEncHook'))
