_base_ = ['./retinanet_efficientnet-lite0_bccd.py']
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='one-run',
        # As wide as the backbone, as in the paper.
        encoder=dict(stem_channels=12, out_channels=(24, 40, 112, 320)),
    ),
)
