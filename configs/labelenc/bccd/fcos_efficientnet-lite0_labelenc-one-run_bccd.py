_base_ = ['./fcos_efficientnet-lite0_bccd.py']
model = dict(
    type='LabelEncFCOS',
    labelenc=dict(
        stage='one-run',
        # As wide as the backbone, as in the paper.
        encoder=dict(stem_channels=12, out_channels=(24, 40, 112, 320)),
    ),
)
