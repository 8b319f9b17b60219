"""How many learners one machine serves: measured, recorded, and computed further."""
