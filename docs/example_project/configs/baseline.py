_base_ = './_base_/parcels.py'
custom_imports = dict(imports=['parcels'], allow_failed_imports=False)
