"""Sound as arrays: files, mu-law codes and pictures. Independent of models and data libraries."""
