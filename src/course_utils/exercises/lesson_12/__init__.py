"""The exercises of lesson 12, and the checks that only it uses."""
