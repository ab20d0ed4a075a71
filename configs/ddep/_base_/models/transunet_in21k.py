# TransUNet whose encoder was trained to classify ImageNet-21k. The file is made of the published one:
#   python tools/model_converters/convert_hybrid_vit.py R50+ViT-B_16.npz checkpoints/hybrid_vit_in21k.pth
_base_ = './transunet.py'
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/hybrid_vit_in21k.pth'))
)
