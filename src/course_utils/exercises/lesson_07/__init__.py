"""The exercises of lesson 07, and the checks that only it uses."""
