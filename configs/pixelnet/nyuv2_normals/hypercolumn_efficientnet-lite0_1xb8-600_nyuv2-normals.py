# The same without hidden layers: a linear predictor on the hypercolumn ("fc-1").
_base_ = './pixelnet_efficientnet-lite0_1xb8-600_nyuv2-normals.py'
model = dict(decode_head=dict(mlp_channels=()))
