_base_ = './pixelnet_efficientnet-lite0_positives-25_1xb8-300_bsds500-half-size.py'
model = dict(decode_head=dict(sampler=dict(positive_share=0.5)))
