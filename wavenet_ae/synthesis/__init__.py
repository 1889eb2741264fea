"""From embeddings to sound."""
