# Noise is added to photos that keep their scale (sec. 3.1, simple), as strong beside them as in the other form.
_base_ = './ddep_unet-narrow_efficientnet-lite0_1xb16-20e_photos-64x64.py'
model = dict(corruption=dict(form='simple'))
