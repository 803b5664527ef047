#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py ASSEMBLY TABLE FILE... - files as a part of the program: their bytes, and a table of where they are."""
import hashlib
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


def main():
    assembly, table, files = sys.argv[1], sys.argv[2], [pathlib.Path(f).resolve() for f in sys.argv[3:]]
    bytes_of, rows = [".section .rodata"], []
    for i, file in enumerate(files):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        # The digest is in here so that it is assembled anew when the file is another.
        bytes_of.append(f'.global page_bytes_{i}\n.global page_bytes_{i}_end\n# {digest}\npage_bytes_{i}:\n.incbin "{file}"\n'
                        f"page_bytes_{i}_end:\n.byte 0")
        path = "/" if file.name == "index.html" else f"/{file.name}"
        rows.append((i, path, TYPES[file.suffix], digest))
    bytes_of.append('.section .note.GNU-stack,"",%progbits\n')
    pathlib.Path(assembly).write_text("\n".join(bytes_of))
    text = ['// SPDX-License-Identifier: MIT\n#include "http/page.h"\n']
    text += [f"extern const char page_bytes_{i}[], page_bytes_{i}_end[];" for i, *_ in rows]
    text.append("\nconst struct page_file page_files[] = {")
    text += [f'    {{ "{path}", "{kind}", "\\"{digest}\\"", page_bytes_{i}, page_bytes_{i}_end }},' for i, path, kind, digest in rows]
    text.append("    { 0 },\n};\n")
    pathlib.Path(table).write_text("\n".join(text))


if __name__ == "__main__":
    main()
