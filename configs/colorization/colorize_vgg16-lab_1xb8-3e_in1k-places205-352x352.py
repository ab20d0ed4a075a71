# Table 2, regression of L*a*b*. The loss is scaled to begin as large as that of the histograms; measured, for the paper
# does not tell its scale.
_base_ = './colorize_vgg16-hist_1xb8-3e_in1k-places205-352x352.py'
model = dict(decode_head=dict(type='ColorRegressionHead', loss_weight=110.0))
