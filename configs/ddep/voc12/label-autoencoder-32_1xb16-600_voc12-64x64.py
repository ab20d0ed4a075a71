# The autoencoder of label maps whose frozen decoder stands beside the U-Net, on the same labels.
_base_ = './unet-narrow_efficientnet-lite0_1xb16-600_voc12-64x64.py'
model = dict(_delete_=True, type='LabelAutoEncoder', num_classes=21, channels=(32,) * 5)
