#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""torture.py header FILE... | raw DIRECTORY - the messages of tests/torture/messages, as README.md there describes them: as the
tables of a C header to stdout, or each as bytes into a file of that directory."""
import pathlib
import re
import sys

MESSAGES = pathlib.Path(__file__).resolve().parent / "messages"


class Torture:
    """One message, and what becomes of it."""

    def __init__(self, path):
        self.name, self.notes = path.stem, {}
        head, lines = [], path.read_bytes().decode("ascii").split("\n")
        while lines[0].startswith("#"):
            head.append(lines.pop(0)[2:])
        self.section, self.why = head[0].removeprefix("RFC "), head[1]
        for line in head[2:]:
            key, value = line.split(": ", 1)
            self.notes[key] = f"{self.notes[key]}\n{value}" if key in self.notes else value
        if not self.notes.keys() <= {"parsed", "answer", "with", "then", "stream"} or "answer" not in self.notes:
            raise ValueError(f"{path}: {self.notes}")
        text = re.sub(r"<repeat count=(\d+)>(.*?)</repeat>", lambda m: m[2] * int(m[1]), "\r\n".join(lines))
        pieces = re.split(r"<hex>(.*?)</hex>", text)
        self.bytes = b"".join(bytes.fromhex(p) if i % 2 else p.encode() for i, p in enumerate(pieces))


def load():
    return [Torture(path) for path in sorted(MESSAGES.glob("*.sip"))]


def literal(data):
    text = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in data)
    return f'"{text}"'


def header():
    print("static const struct torture messages[] = {")
    for t in load():
        said = [f".{key} = {literal(t.notes[key].encode())}, " for key in ("parsed", "answer", "with", "then") if key in t.notes]
        print(f"    {{ .name = {literal(t.name.encode())}, {''.join(said)}.bytes = STR_INIT({literal(t.bytes)}) }},")
    print("};")


if __name__ == "__main__":
    if sys.argv[1] == "raw":
        for message in load():
            (pathlib.Path(sys.argv[2]) / f"torture_{message.name}").write_bytes(message.bytes)
    else:
        header()
