_base_ = ['./faster-rcnn_efficientnet-lite0_voc12.py']
model = dict(
    type='LabelEncFasterRCNN',
    labelenc=dict(
        stage='one-run',
        # As wide as the backbone, as in the paper.
        encoder=dict(stem_channels=12, out_channels=(24, 40, 112, 320)),
    ),
)
