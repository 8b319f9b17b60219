"""Lesson 15: a stranger's script to check, to mend, and to check again."""
