# Two papers in one fine-tuning: a decoder that DDeP has pretrained, and label structure's frozen decoder beside it.
_base_ = './unet-narrow_efficientnet-lite0_ddep_1xb16-600_voc12-64x64.py'
model = dict(
    type='LabelStructureEncoderDecoder',
    label_structure=dict(
        features='backbone.stage4',
        channels=(32,) * 5,
        init_from='work_dirs/label-autoencoder-32_1xb16-600_voc12-64x64/label_autoencoder.safetensors',
    ),
)
