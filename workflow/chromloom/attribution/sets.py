"""Sets of bins as expressions over tasks of the label sheet, such as `CTCF&RAD21-loops`."""

import re


def parse_expression(expression: str) -> list[tuple[str, str]]:
    """Tasks of an expression, in order.

    Returns
    -------
    list of (str, str)
        `&` (the bins that are in it) or `-` (those that are not), and the task.
    """
    first, *others = re.split("([&-])", expression)
    return [("&", first), *zip(others[::2], others[1::2])]
