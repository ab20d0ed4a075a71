# Table 2, "Random Init. Decoder": from scratch and unfrozen, without the first phase (sec. 4.2).
_base_ = '../hypercolumn_densenet67_label-decoder-128_1xb12-100e_voc12-rrc-256x256.py'
model = dict(label_structure=dict(freeze=False, random_init=True, init_from=None))
