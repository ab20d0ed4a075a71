# Table 2, histograms (no hypercolumn): fc7 alone predicts.
_base_ = './colorize_vgg16-hist_1xb8-3e_in1k-places205-352x352.py'
model = dict(backbone=dict(taps=['fc7']))
