from command_line import course

__all__ = ["course"]
