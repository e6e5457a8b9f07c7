"""What recorded runs tell when they are held against each other. Pure: no I/O, nothing random."""
