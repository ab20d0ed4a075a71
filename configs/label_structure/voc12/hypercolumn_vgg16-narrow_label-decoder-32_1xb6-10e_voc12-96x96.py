_base_ = './hypercolumn_vgg16-narrow_1xb6-10e_voc12-96x96.py'
model = dict(
    type='LabelStructureHypercolumnEncoderDecoder',
    label_structure=dict(
        features='backbone.conv5_3',
        channels=(32,) * 5,
        init_from='work_dirs/label-autoencoder-32_1xb6-10e_voc12-96x96/label_autoencoder.safetensors',
    ),
)
