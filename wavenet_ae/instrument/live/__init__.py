"""The decoder played live: it generates on this machine what a page plays."""
