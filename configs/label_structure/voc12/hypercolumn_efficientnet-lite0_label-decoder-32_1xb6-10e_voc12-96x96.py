_base_ = './hypercolumn_efficientnet-lite0_1xb6-10e_voc12-96x96.py'
model = dict(
    type='LabelStructureHypercolumnEncoderDecoder',
    label_structure=dict(
        features='backbone.stage4',
        channels=(32,) * 5,
        # The labels are those of the other networks of this folder, and so is their autoencoder.
        init_from='work_dirs/label-autoencoder-32_1xb6-10e_voc12-96x96/label_autoencoder.safetensors',
    ),
)
