# fc-1: a linear classifier (Table 1).
_base_ = './pixelnet_efficientnet-lite0_1xb5-800_voc12-96x96.py'
model = dict(decode_head=dict(mlp_channels=()))
