# Labels and a trained FCOS on EfficientNet-Lite2 supervise together.
_base_ = ['./fcos_efficientnet-lite0_labelenc-one-run_voc12.py']
model = dict(
    labelenc=dict(
        distillation=dict(
            teacher='labelenc_mm::labelenc/voc12/fcos_efficientnet-lite2_voc12.py',
            init_from='work_dirs/fcos_efficientnet-lite2_voc12/epoch_24.pth',
            standardize='channel',
        ),
    ),
)
