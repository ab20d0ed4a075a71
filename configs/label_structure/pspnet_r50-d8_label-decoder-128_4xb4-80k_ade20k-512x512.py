_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
model = dict(
    type='LabelStructureEncoderDecoder',
    label_structure=dict(
        init_from='work_dirs/label-autoencoder-128_4xb4-80k_ade20k-512x512/label_autoencoder.safetensors'
    ),
)
default_hooks = dict(reseed=dict(type='ReseedHook'))
