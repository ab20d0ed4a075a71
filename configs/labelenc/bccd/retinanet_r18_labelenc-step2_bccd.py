_base_ = ['./retinanet_r18_bccd.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='supervise',
        init_from='work_dirs/retinanet_r18_labelenc-step1_bccd/label_encoding.safetensors',
        encoder=dict(stem_channels=8, out_channels=[16, 32, 64, 128]),
    ),
)
