"""The exercises of lesson 10, and the checks that only it uses."""
