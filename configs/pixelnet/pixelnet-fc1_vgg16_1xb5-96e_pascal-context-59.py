# fc-1: a linear classifier (Table 1), which diverges at 1e-3; 1e-7 is the paper's rate (sec. 4.1, analysis 1).
_base_ = './pixelnet_vgg16_1xb5-96e_pascal-context-59.py'
model = dict(decode_head=dict(mlp_channels=()))
optim_wrapper = dict(optimizer=dict(lr=1e-7))
