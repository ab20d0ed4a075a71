# VGG-16 with a hypercolumn of the image, all 13 convolutions, fc6 and fc7 (released code), from scratch. Batch
# normalisation has neither scale nor shift (sec. 3.1); Caffe's statistics move by a thousandth an iteration.
norm_cfg = dict(type='BN', affine=False, momentum=0.001)
model = dict(
    type='ColorizationPretrainer',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        size=(352, 352),
        mean=[114.45] * 3,  # 0.4488 of photos from 0 to 1 (released code)
        std=[255.0] * 3,
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='TappedVGG',
        in_channels=1,
        norm_cfg=norm_cfg,
        fc_norm_cfg=norm_cfg,
        taps=(
            ['data', 'conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1', 'conv3_2', 'conv3_3']
            + ['conv4_1', 'conv4_2', 'conv4_3', 'conv5_1', 'conv5_2', 'conv5_3', 'fc6', 'fc7']
        ),
        init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform'),
    ),
    decode_head=dict(type='ColorHistogramHead'),
)
