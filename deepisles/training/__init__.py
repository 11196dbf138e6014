"""Training the three members: synthetic strokes, data, networks, and the bundle that comes out."""
