# The label autoencoder, variant "32", of the label maps that the segmentor is trained on.
_base_ = './upernet_efficientnet-lite0_shapes.py'
model = dict(_delete_=True, type='LabelAutoEncoder', num_classes=9, channels=(32,) * 5)
