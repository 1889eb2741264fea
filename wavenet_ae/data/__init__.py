"""What training reads: the schema of notes, stored datasets, and the pipeline of batches."""

import os

# For TensorFlow, which TFDS imports where a dataset needs it: it tells of its own build otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
