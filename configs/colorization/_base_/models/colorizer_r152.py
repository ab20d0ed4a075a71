# ResNet-152 at 224 pixels, without hypercolumn, which "may disrupt residual training" (sec. 3.1): its last
# layer predicts. Its batch normalisation has scale and shift, as in the released code; the paper says of all its networks
# that they have none, and this one would be without any bias then. Points are as far from the border as 96 pixels are
# in a crop of 352; the paper does not say.
_base_ = ['./colorizer_vgg16.py', './resnet152.py']
model = dict(
    data_preprocessor=dict(size=(224, 224)),
    backbone=dict(_base_.resnet152, _delete_=True, taps=['layer4.2']),
    decode_head=dict(sampler=dict(type='UniformPointSampler', num_points=128, border=61)),
)
