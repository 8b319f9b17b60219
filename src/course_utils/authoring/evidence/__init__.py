"""What claims and contrasts measured: kept, summed up over many runs, published.

From the bottom: `log` appends what one kernel measured to a file, `records` reads that
file, `tasks` names a run and keeps its outcome, `statistics` and `summary` add up,
`published` is the record that ships with the course, `page` shows it, `farm` runs many
lessons at once.
"""
