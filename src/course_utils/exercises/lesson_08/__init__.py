"""The exercises of lesson 08, and the checks that only it uses."""
