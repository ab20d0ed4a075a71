# Noise is added to photos that keep their scale (Figure 5, right), as strong beside them as in the scaled form;
# the best strength of either form is not in the text.
_base_ = './ddep_transunet_8xb64-100e_in21k-224x224.py'
model = dict(corruption=dict(form='simple'))
