"""Long recordings of several domains, such as instruments → a TFDS dataset with random access."""
