"""What training reads: the schema of notes, stored datasets, and the pipeline of batches."""

import os

# Silences messages of TensorFlow, which TFDS imports where a dataset needs it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
