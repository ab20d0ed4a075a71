_base_ = './hypercolumn_vgg16-narrow_1xb6-10e_voc12-96x96.py'
model = dict(_delete_=True, type='LabelAutoEncoder', num_classes=21, channels=(32,) * 5)
