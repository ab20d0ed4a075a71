# The decoder predicts the photo in the place of the noise.
_base_ = './ddep_unet-narrow_efficientnet-lite0_1xb16-20e_photos-64x64.py'
model = dict(target='image')
