"""What a dataset of notes holds: counted, measured and searched for what should not be there."""
