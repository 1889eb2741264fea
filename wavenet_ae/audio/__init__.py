"""Sound as arrays: files, mu-law codes and pictures. Knows no model and no data library."""
