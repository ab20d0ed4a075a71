_base_ = './hypercolumn_vgg16-in1k-pre_1xb12-50e_voc12-256x256.py'
model = dict(
    type='LabelStructureHypercolumnEncoderDecoder',
    label_structure=dict(
        features='backbone.conv5_3',
        channels=(32, 32, 32, 32, 32),
        init_from='work_dirs/label-autoencoder-32_1xb12-100e_voc12-256x256/label_autoencoder.safetensors',
    ),
)
