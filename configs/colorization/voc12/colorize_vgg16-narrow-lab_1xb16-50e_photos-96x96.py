# Regression of L*a*b* in the place of the histograms (Table 2).
_base_ = './colorize_vgg16-narrow-hist_1xb16-50e_photos-96x96.py'
model = dict(decode_head=dict(type='ColorRegressionHead'))
