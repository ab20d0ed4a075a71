# The same UPerNet, which also predicts through the autoencoder's frozen decoder while it trains.
_base_ = './upernet_efficientnet-lite0_shapes.py'
model = dict(
    type='LabelStructureEncoderDecoder',
    label_structure=dict(
        # Of the decoder's resolution, as in the paper: what enters this classifier is four times as fine.
        features='backbone.stage4',
        channels=(32,) * 5,
        # The paper's 0.5 is too much for a network that starts from ImageNet and trains this briefly.
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.2),
        init_from='work_dirs/demo-label-structure/autoencoder-seed=0/label_autoencoder.safetensors',
    ),
)
