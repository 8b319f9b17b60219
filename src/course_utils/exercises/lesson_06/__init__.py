"""The exercises of lesson 06, and the checks that only it uses."""
