"""The exercises of lesson 00, and the checks that only it uses."""
