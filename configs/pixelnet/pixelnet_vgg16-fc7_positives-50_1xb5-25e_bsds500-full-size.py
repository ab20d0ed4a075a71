_base_ = './pixelnet_vgg16-fc7_positives-25_1xb5-25e_bsds500-full-size.py'
model = dict(decode_head=dict(sampler=dict(positive_share=0.5)))
