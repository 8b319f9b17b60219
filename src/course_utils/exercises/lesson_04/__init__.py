"""The exercises of lesson 04, and the checks that only it uses."""
