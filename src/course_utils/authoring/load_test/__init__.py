"""How many learners one machine can handle: measured, recorded and extrapolated."""
