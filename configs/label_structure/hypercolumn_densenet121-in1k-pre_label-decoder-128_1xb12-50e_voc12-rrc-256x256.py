_base_ = './hypercolumn_densenet121-in1k-pre_1xb12-50e_voc12-rrc-256x256.py'
model = dict(
    type='LabelStructureHypercolumnEncoderDecoder',
    label_structure=dict(
        features='backbone.block3',  # the last block with the stride of the code
        init_from='work_dirs/label-autoencoder-128_1xb12-100e_voc12-rrc-256x256/label_autoencoder.safetensors',
    ),
)
