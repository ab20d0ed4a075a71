# Table 3: ResNet-152 from random weights, with a larger field of view.
_base_ = './hypercolumn_r152_1xb10-40k_voc12aug-gray-448x448.py'
model = dict(neck=dict(type='FieldOfViewNeck', in_channels=2048))
