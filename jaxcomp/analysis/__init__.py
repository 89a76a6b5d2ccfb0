"""Looking at what training and compression did."""
