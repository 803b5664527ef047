#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_schemas.py DUMP SCHEMAS XMLLINT - are the bodies that we send valid?

Runs DUMP (body_dump) into a temporary directory and XMLLINT over what it wrote, with the schemas of the directory SCHEMAS:
what is sent by default must be valid; what has no schema (xpidf) or is Asterisk's form must be well-formed. And the
schemas must not accept everything: Asterisk's form is known to be invalid."""
import pathlib
import re
import subprocess
import sys
import tempfile

SCHEMA = {"dialog-info": "dialog-info.xsd", "pidf": "presence.xsd"}
# The one element that is known to be in the wrong namespace: see src/body/pidf.c.
KNOWN_INVALID = re.compile(rb"^ *<digium_presence .*\n", re.M)
# The text of RFC 4235 and its examples have one name for it, its schema another: see src/body/dialog_info.c.
DISPLAY = re.compile(rb"<identity display=")
VALID = ("default", "digium", "single")
AT_ONCE = 500


def lint(xmllint, files, schema=None):
    """The files that xmllint complains about, and its words."""
    options = ["--noout", "--nonet"] + (["--schema", str(schema)] if schema else [])
    words = ""
    for i in range(0, len(files), AT_ONCE):
        run = subprocess.run([xmllint, *options, *map(str, files[i : i + AT_ONCE])], capture_output=True, text=True)
        if run.returncode or not schema:
            words += "\n".join(line for line in run.stderr.splitlines() if not line.endswith(" validates"))
    return words


def watcherinfo(xmllint, files, schema):
    """What is wrong with the documents of watchers: RFC 3858."""
    valid = [f for f in files if f.name.startswith("watcherinfo.")]
    problems = [lint(xmllint, valid, schema)]
    for word, other in ((b' status="active"', b""), (b'"full"', b'"none"'), (b" resource=", b" source=")):
        spoilt = next(f for f in valid if word in f.read_bytes())
        text = spoilt.read_bytes()
        spoilt.write_bytes(text.replace(word, other, 1))
        if not lint(xmllint, [spoilt], schema):
            problems.append(f"{schema.name} accepts a document without{word}")
        spoilt.write_bytes(text)
    return problems


def main():
    dump, schemas, xmllint = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    problems = []
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([dump, directory], check=True)
        files = sorted(pathlib.Path(directory).iterdir())
        if len(files) < 1000:
            problems.append(f"only {len(files)} bodies were written")
        problems.append(lint(xmllint, files))
        for kind, schema in SCHEMA.items():
            valid = [f for f in files if f.name.startswith(tuple(f"{kind}.{mode}." for mode in VALID))]
            for f in valid:
                f.write_bytes(DISPLAY.sub(b"<identity display-name=", f.read_bytes()))
                if kind == "pidf" and ".digium." in f.name:
                    text, n = KNOWN_INVALID.subn(b"", f.read_bytes())
                    f.write_bytes(text)
                    if n != 1:
                        problems.append(f"{f.name}: {n} elements digium_presence")
            problems.append(lint(xmllint, valid, schemas / schema))
            asterisk = [f for f in files if f.name.startswith(f"{kind}.asterisk.")]
            if not valid or not lint(xmllint, asterisk, schemas / schema):
                problems.append(f"{schema} accepts everything, or there is nothing to check")
        problems += watcherinfo(xmllint, files, schemas / "watcherinfo.xsd")
        print(f"{len(files)} bodies")
    problems = [p for p in problems if p]
    print("\n".join(problems)[:10000])
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
