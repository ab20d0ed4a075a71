_base_ = ['./atss_efficientnet-lite0_voc12.py']
model = dict(
    type='LabelEncATSS',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/atss_efficientnet-lite0_labelenc-step1_voc12/label_encoding.safetensors',
        encoder=dict(stem_channels=12, out_channels=(24, 40, 112, 320)),
    ),
)
