"""Musical notes and where they come from. The only importer of TFDS and Grain."""
