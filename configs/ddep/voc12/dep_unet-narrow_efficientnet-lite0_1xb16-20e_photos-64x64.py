# The whole U-Net of this folder, pretrained on the same photos from random weights (DeP).
_base_ = './ddep_unet-narrow_efficientnet-lite0_1xb16-20e_photos-64x64.py'
model = dict(encoder=(), backbone=dict(init_cfg=None, frozen_stages=-1, norm_eval=False))
