"""What may vary: dimensions, grids, and what a configuration costs by formula."""
