# A trained FCOS on EfficientNet-Lite2 supervises, each channel standardised, in place of labels.
_base_ = ['./fcos_efficientnet-lite0_voc12.py']
model = dict(
    type='LabelEncFCOS',
    labelenc=dict(
        type='FeatureDistillationHead',
        teacher='labelenc_mm::labelenc/voc12/fcos_efficientnet-lite2_voc12.py',
        init_from='work_dirs/fcos_efficientnet-lite2_voc12/epoch_24.pth',
        standardize='channel',
    ),
)
