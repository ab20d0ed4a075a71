# Sec. 4.1: trained anew on all images with the schedule that was found.
_base_ = './hypercolumn_vgg16-fov_colorization_1xb10-40k_voc12aug-gray-448x448.py'
schedule = (
    'work_dirs/hypercolumn_vgg16-fov_colorization_1xb10-search_voc12aug-gray-448x448/schedule.json'
)
param_scheduler = [dict(type='FoundScheduleLR', schedule=schedule)]
train_cfg = dict(_delete_=True, type='FoundScheduleLoop', schedule=schedule, val_interval=5000)
