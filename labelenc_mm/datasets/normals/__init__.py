"""Surface normals: the data set, loading, mirroring."""
