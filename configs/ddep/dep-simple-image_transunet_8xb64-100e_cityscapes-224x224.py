# DeP predicting the photo (Table 1, first row).
_base_ = './dep-simple_transunet_8xb64-100e_cityscapes-224x224.py'
model = dict(target='image')
