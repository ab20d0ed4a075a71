# PixelNet for edges (sec. 3 and 5.3): one logit at 2000 points an image, of which a quarter are edges.
_base_ = './pixelnet_vgg16.py'
model = dict(
    decode_head=dict(
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        targets=dict(type='LabelMapTargets', field='gt_edge_map'),
        num_points=None,
        sampler=dict(type='BalancedPointSampler', num_points=2000, positive_share=0.25),
        loss_decode=dict(_delete_=True, type='BalancedEdgeLoss'),
    ),
)
