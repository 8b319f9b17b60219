"""The course as web pages: ``make site``.

`pages` makes a page of a notebook, `tree` lays out all pages for Sphinx, `links` reads
the finished pages again and names what is broken. Running the package does all three.
"""
