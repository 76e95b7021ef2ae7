"""What goes into the logs: lines for whoever keeps the machine running, who need not be able to answer as a customer."""

import logging

from tipstaff.correspondence.veiling import veiled


class Veiled(logging.Formatter):
    """A formatter that leaves the tokens of links out, wherever in a line or a traceback they stand."""

    def format(self, record: logging.LogRecord) -> str:
        return veiled(super().format(record))
