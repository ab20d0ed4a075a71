_base_ = './hypercolumn_vgg16-narrow_voc12.py'
model = dict(
    type='LabelStructureEncoderDecoder',
    label_structure=dict(
        type='FrozenLabelEncoderHead',
        features=[
            'backbone.conv1_2',
            'backbone.conv2_2',
            'backbone.conv3_3',
            'backbone.conv4_3',
            'backbone.conv5_3',
        ],
        channels=(32,) * 5,
        init_from='work_dirs/autoencoder-32_voc12/label_autoencoder.safetensors',
    ),
)
default_hooks = dict(label_structure=dict(type='LabelStructureHook'))
