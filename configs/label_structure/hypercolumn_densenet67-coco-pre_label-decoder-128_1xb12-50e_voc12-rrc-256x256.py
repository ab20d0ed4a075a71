_base_ = './hypercolumn_densenet67-coco-pre_1xb12-50e_voc12-rrc-256x256.py'
model = dict(
    type='LabelStructureHypercolumnEncoderDecoder',
    label_structure=dict(
        features='backbone.block4',
        init_from='work_dirs/label-autoencoder-128_1xb12-100e_voc12-rrc-256x256/label_autoencoder.safetensors',
    ),
)
