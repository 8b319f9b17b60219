"""The exercises of lesson 13, and the checks that only it uses."""
