# A classifier of gray images: the mean over the map of fc7, and a linear layer. Without batch normalisation (sec. 4.1),
# from random weights.
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='GraySegDataPreProcessor',
        size=(224, 224),
        mean=[114.45] * 3,
        std=[255.0] * 3,
        bgr_to_rgb=True,
    ),
    backbone=dict(type='TappedVGG', in_channels=1, taps=['fc7']),
    num_classes=1000,
)
