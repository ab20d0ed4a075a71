_base_ = './_base_/parcels.py'
