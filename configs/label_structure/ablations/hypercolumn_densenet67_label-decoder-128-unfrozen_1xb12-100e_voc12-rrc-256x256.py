# Table 2, "Unfrozen Decoder".
_base_ = '../hypercolumn_densenet67_label-decoder-128_1xb12-100e_voc12-rrc-256x256.py'
model = dict(label_structure=dict(freeze=False))
