"""Configs of detectors whose object maps are looked at, on shape scenes."""

from labelenc_mm.shape_scenes import CLASSES


def write_mask_config(path, data_root):
    """A mask detector with a training pipeline and a stock validation pipeline (boxes last)."""
    heads = 'bbox_head=dict(num_classes=8), mask_head=dict(num_classes=8)'
    path.write_text(f"""
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
default_scope = 'mmdet'
def loader(split, pipeline):
    return dict(batch_size=1, dataset=dict(
        type='CocoDataset', data_root={str(data_root)!r}, ann_file=f'annotations/{{split}}.json',
        data_prefix=dict(img=f'images/{{split}}/'), metainfo=dict(classes={CLASSES!r}),
        pipeline=pipeline))
train_dataloader = loader('train', [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='PackDetInputs')])
val_dataloader = loader('val', [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(192, 128), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs',
         meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))])
model = dict(type='LabelEncMaskRCNN', labelenc=dict(stage='autoencode'), roi_head=dict({heads}))
""")
    return path


def write_box_config(path, mask_config):
    """The data of the other config for a detector that predicts boxes alone, in its stock form."""
    data = mask_config.read_text().split('default_scope', 1)[1].split('model = dict(', 1)[0]
    path.write_text(
        f"_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'\ndefault_scope{data}"
        'model = dict(bbox_head=dict(num_classes=8))\n'
    )
    return path
