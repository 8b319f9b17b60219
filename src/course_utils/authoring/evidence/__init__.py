"""What claims and contrasts measured: kept, summed up over many runs, published.

From the bottom: `tasks` names a run and its outcome, `store` reads and writes files of
outcomes, one per line, `execute_task` makes one, `parallel` makes many at once,
`statistics` and `summary` add them up, `page` and `confidence` show the sums.
"""
