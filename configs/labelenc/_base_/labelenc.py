# What every label-encoded training shares; beside a stock config in `_base_`, no key of which it repeats.
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
# Parts of the label branch rest in some iterations; also trains on machines without a GPU.
model_wrapper_cfg = dict(type='CPUCapableDistributedDataParallel', find_unused_parameters=True)
