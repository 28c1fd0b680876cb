"""Prints what the driver tests saw as a table, and puts it into a document between its two marks.

driver-table.py OUTCOME_FOLDER FEATURES DOCUMENT
"""

import pathlib
import sys

BEGIN = "<!-- what `make test-drivers` saw: begin -->\n"
END = "<!-- what `make test-drivers` saw: end -->\n"


def main(folder, features, document):
    common = [line.split("\t") for line in pathlib.Path(features).read_text().splitlines() if line[0] != "#"]
    drivers = []
    for file in sorted(pathlib.Path(folder).iterdir()):
        lines = [line.split("\t") for line in file.read_text().splitlines()]
        drivers.append((lines[0][1], dict(lines[1:])))
    table = matrix(common, drivers)
    print(table)
    path = pathlib.Path(document)
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def matrix(common, drivers):
    """A row per driver, a column per feature: the names of the features are short, those of the drivers are not."""
    names = [name for name, _ in common]
    rows = ["| driver | " + " | ".join(names) + " | of its own |", "|---|" + "---|" * (len(names) + 1)]
    for driver, seen in drivers:
        own = [name if result == "yes" else f"**{name}: differs**" for name, result in seen.items() if name not in names]
        marks = {"yes": "✓", "no": "**differs**", None: ""}
        cells = [marks[seen.get(name)] for name in names]
        rows.append(f"| {driver} | " + " | ".join(cells) + f" | {', '.join(own)} |")
    what = [f"| {name} | {description} |" for name, description in common]
    return "\n".join([*rows, "", "| feature | what is done |", "|---|---|", *what]) + "\n"


main(*sys.argv[1:])
