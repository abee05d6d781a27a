"""The user's configuration and sheets: read, checked, completed with defaults.

The JSON schemas in `workflow/schemas/` are the one place where keys, types, defaults and
descriptions stand; what is said here is only what a schema cannot say (duplicates, references from
one row to another, names that become part of a path).
"""

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import yaml

from chromloom.errors import InputError, nearest
from chromloom.tables import Column, read_table

# Sheet names become part of paths and of wildcards: no dot (it separates wildcards), no slash, and
# no more than 80 characters, since two of them stand in one file name, which 255 bytes end.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
# Patterns of names in the schemas, in words.
NAMES = {
    "^[a-z][a-z0-9-]": "lower-case letters, digits and '-', starting with a letter",
    "^[A-Za-z0-9][A-Za-z0-9_-]": "letters, digits, '_' and '-', starting with a letter or digit",
}


def check_config(config: dict[str, Any], schema_path: str | Path) -> dict[str, Any]:
    """Return `config` completed with the schema's defaults.

    Parameters
    ----------
    config : dict
        What the user's YAML files and `--config` gave.
    schema_path : Path
        JSON schema in YAML.

    Returns
    -------
    dict
        A new dictionary in which every key of the schema that has a default is present.

    Raises
    ------
    InputError
        For an unknown key (with the nearest known one), a missing key or a value of the wrong kind.
    """
    schema = yaml.safe_load(Path(schema_path).read_text())
    complete = _with_defaults(config, schema)
    _check(complete, schema, what="config")
    return complete


def read_sheet(
    path: str | Path, schema_path: str | Path, *, key: str, unique: bool = True
) -> pd.DataFrame:
    """Read a tab-separated sheet and check every row.

    Parameters
    ----------
    path : Path
        Sheet with a header line, read by `chromloom.tables.read_table`.
    schema_path : Path
        JSON schema of one row.
    key : str
        Column whose values name the rows: they must fit in a file name.
    unique : bool
        Whether two rows may not have the same name.

    Returns
    -------
    DataFrame
        All columns of the schema, indexed by `key`; str, absent optional values are "".

    Raises
    ------
    InputError
        When the file is missing or empty, a column is missing or unknown, a name is repeated (or
        is but for case) or not fit for a path, or a value is not what the schema asks for.
    """
    schema = yaml.safe_load(Path(schema_path).read_text())
    columns = schema["properties"]
    required = schema.get("required", [])
    contract = {name: Column(required=name in required) for name in columns}
    table = read_table(path, contract, what="sheet", strict=True, spreadsheet=True)
    for row in table.to_dict("records"):
        name = row[key]
        if not NAME.fullmatch(name):
            raise InputError(
                f"{path}: {key} {name!r} cannot be part of a file name; "
                "use at most 80 letters, digits, '_' and '-', starting with a letter or digit"
            )
        _check({k: v for k, v in row.items() if v != ""}, schema, what=f"{path}, {key} {name!r}")
    repeated = table[key][table[key].duplicated()]
    if unique and len(repeated):
        raise InputError(
            f"{path}: {key} {repeated.iloc[0]!r} occurs in more than one row; names must be unique"
        )
    if unique:
        check_case(table[key], f"{path}: {key}")
    for name, rule in columns.items():
        if "default" in rule:
            table[name] = table[name].replace("", str(rule["default"]))
    return table.set_index(key, drop=False)


def check_case(names: Iterable[str], what: str) -> None:
    """Raise InputError when names of files differ in case only, which not every disk tells."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise InputError(
                f"{what} {other!r} and {name!r} differ in case only: on macOS and Windows their "
                "files would be the same; rename one"
            )


def check_references(sheet: pd.DataFrame, column: str, known: list[str], *, path: str) -> None:
    """Raise InputError when a value of `column` (comma-separated) is not among `known`."""
    for name, value in sheet[column].items():
        for reference in filter(None, value.split(",")):
            if reference not in known:
                raise InputError(
                    f"{path}, {sheet.index.name} {name!r}: {column} {reference!r} is not known"
                    f"{_nearest(reference, known)}"
                )


def _with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    if not isinstance(value, Mapping):
        return value
    complete = dict(value)
    for key, rule in schema.get("properties", {}).items():
        if key in complete:
            complete[key] = _with_defaults(complete[key], rule)
        elif "default" in rule:
            complete[key] = json.loads(json.dumps(rule["default"]))
        elif rule.get("type") == "object" and "properties" in rule:
            complete[key] = _with_defaults({}, rule)
    # What is under names of the user's choice.
    of_names = schema.get("additionalProperties")
    if isinstance(of_names, Mapping):
        for key in set(complete) - set(schema.get("properties", {})):
            complete[key] = _with_defaults(complete[key], of_names)
    return complete


def _check(value: Any, schema: Mapping[str, Any], *, what: str) -> None:
    errors = jsonschema.Draft202012Validator(schema).iter_errors(value)
    error = jsonschema.exceptions.best_match(errors)
    if error is None:
        return
    place = ".".join(str(part) for part in error.absolute_path)
    where = f"{what}: {place!r}" if place else what
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        name = next(key for key in error.instance if key not in known)
        raise InputError(f"{where}: unknown key {name!r}{_nearest(name, known)}")
    message = error.message
    if error.validator == "pattern":
        form = next(
            (words for start, words in NAMES.items() if error.validator_value.startswith(start)),
            f"the form {error.validator_value}",
        )
        message = f"{error.instance!r} is not of {form}"
    expected = error.schema.get("description") or _description_above(error, schema)
    message += f"; expected: {expected}" if expected else ""
    raise InputError(f"{where}: {message}{_remedy(error)}")


def _description_above(error: jsonschema.ValidationError, schema: Mapping[str, Any]) -> str:
    """What the schema says of the list or the names that a value is among."""
    path, found = list(error.absolute_schema_path), ""
    rule: Any = schema
    for part in path[: path.index("anyOf")] if "anyOf" in path else path:
        rule = rule[part]
        if isinstance(rule, Mapping):
            found = rule.get("description", found)
    return found if isinstance(found, str) else ""


def _remedy(error: jsonschema.ValidationError) -> str:
    """How a value of another type is written in YAML; "" where it is not that."""
    value, kind = error.instance, error.validator_value
    if error.validator != "type":
        return ""
    if value is None:
        return "; give it a value, or leave the key out"
    if kind == "array" and not isinstance(value, Mapping):
        return f"; write it in brackets: [{value}]"
    if kind == "string" and not isinstance(value, Mapping | list):
        return f"; write it in quotes: '{value}'"
    if kind in ("integer", "number") and isinstance(value, str):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
            if kind == "number" or number.is_integer():
                return f"; write {number if kind == 'number' else int(number)}"
        return "; write a number without a unit"
    return ""


def _nearest(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else f"; known are {', '.join(known)}"
