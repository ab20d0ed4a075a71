# fc-2: one hidden layer (Table 1).
_base_ = './pixelnet_vgg16_1xb5-96e_pascal-context-59.py'
model = dict(decode_head=dict(mlp_channels=(4096,)))
