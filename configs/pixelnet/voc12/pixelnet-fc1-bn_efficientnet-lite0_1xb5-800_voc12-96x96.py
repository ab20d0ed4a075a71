# A linear classifier on taps of zero mean and unit variance (`lin_bn` in the authors' code), from a small start.
_base_ = './pixelnet_efficientnet-lite0_1xb5-800_voc12-96x96.py'
model = dict(
    decode_head=dict(
        mlp_channels=(), init_cfg=dict(_delete_=True, type='Normal', layer='Conv2d', std=0.01)
    )
)
