# Sec. 4.1: trained anew on all images with the schedule that was found.
_base_ = './classify_vgg16_colorization_1xb16-80k_voc07-224x224.py'
schedule = 'work_dirs/classify_vgg16_colorization_1xb16-search_voc07-224x224/schedule.json'
param_scheduler = [dict(type='FoundScheduleLR', schedule=schedule)]
train_cfg = dict(_delete_=True, type='FoundScheduleLoop', schedule=schedule, val_interval=10000)
