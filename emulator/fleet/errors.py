"""The one exception that the fleet reports as a sentence instead of a traceback."""


class FleetError(Exception):
    """Something the person at the terminal has to know; its text is a full sentence with a cure."""
