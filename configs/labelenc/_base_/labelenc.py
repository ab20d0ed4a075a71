# The import, for a child whose other bases have none. What else a label-encoded training needs, its model
# declares, and our tools put it there; another tool names the lines.
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
