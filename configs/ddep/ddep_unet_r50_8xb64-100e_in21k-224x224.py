# U-Net on ResNet-50 (Table 7). The paper names neither the photos nor the encoder's weights: those of its other
# experiments, and torchvision's of ImageNet-1k.
_base_ = [
    './_base_/models/unet_r50.py',
    './_base_/photos_in21k.py',
    './_base_/schedules/pretraining_100e.py',
]
model = dict(type='DenoisingDecoderPretrainer', corruption=dict(gamma=0.95))
