_base_ = './hypercolumn_vgg16-narrow_voc12.py'
model = dict(
    type='LabelStructureEncoderDecoder',
    label_structure=dict(
        features='backbone.conv5_3',
        channels=(32,) * 5,
        init_from='work_dirs/autoencoder-32_voc12/label_autoencoder.safetensors',
    ),
)
default_hooks = dict(label_structure=dict(type='LabelStructureHook'))
