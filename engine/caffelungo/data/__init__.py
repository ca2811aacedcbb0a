"""Where batches come from: databases, lists, folders and arrays; what is done to each picture; Caffe's data tools.

Nothing here imports torch at import time; only ``loader.Loader`` and ``DataSource.finish`` do, when they run.
"""
