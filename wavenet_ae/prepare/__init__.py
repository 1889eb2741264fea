"""Tools that make datasets: rendered, imported or downloaded notes, and statistics of them."""
