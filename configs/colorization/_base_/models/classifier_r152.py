# ResNet-152, else as VGG-16.
_base_ = ['./classifier_vgg16.py', './resnet152.py']
model = dict(backbone=dict(_base_.resnet152, _delete_=True, taps=['layer4.2']))
