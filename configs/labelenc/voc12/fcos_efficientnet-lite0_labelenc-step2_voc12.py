_base_ = ['./fcos_efficientnet-lite0_voc12.py']
model = dict(
    type='LabelEncFCOS',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/fcos_efficientnet-lite0_labelenc-step1_voc12/label_encoding.safetensors',
        encoder=dict(stem_channels=12, out_channels=(24, 40, 112, 320)),
    ),
)
