"""The ribbon of a case, as ``cases.ribbon`` draws it for the desk and for customers."""

from tipstaff.cases.ribbon import PLACES, Dates, Mark, Ribbon, Span, draw, position, turns_of

__all__ = ["PLACES", "Dates", "Mark", "Ribbon", "Span", "draw", "position", "turns_of"]
