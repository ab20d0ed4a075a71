# DeP as of Table 2: noise of sigma 0.8 is added to photos that keep their scale.
_base_ = './dep_transunet_8xb64-6000e_cityscapes-224x224.py'
model = dict(corruption=dict(form='simple', gamma=None, sigma=0.8))
