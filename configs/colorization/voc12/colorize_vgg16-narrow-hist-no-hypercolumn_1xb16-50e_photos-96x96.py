# The last layer alone predicts (Table 2).
_base_ = './colorize_vgg16-narrow-hist_1xb16-50e_photos-96x96.py'
model = dict(backbone=dict(taps=['fc7']))
