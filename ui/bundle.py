#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bundle.py NODE_MODULES PACKAGE GLOBAL - a package of npm with what it requires, as one script for browsers.

Each module becomes a function under its path, with the licences of the packages in front; require() finds them by the
names that were resolved here. For packages of plain CommonJS, which is what JsSIP is."""
import json
import pathlib
import re
import sys

REQUIRE = re.compile(r"""\brequire\(\s*['"]([^'"]+)['"]\s*\)""")


def file_of(path):
    """A module's file, as Node finds it."""
    for candidate in (path, path.with_name(path.name + ".js"), path / "index.js"):
        if candidate.is_file():
            return candidate
    return None


def resolve(modules, importer, name):
    if name.startswith("."):
        return file_of((importer.parent / name).resolve())
    package, _, rest = name.partition("/")
    folder = (modules / package).resolve()
    if rest:
        return file_of(folder / rest)
    if not (folder / "package.json").is_file():
        return None  # Node's own: asked for only where there is no browser
    about = json.loads((folder / "package.json").read_text())
    browser = about.get("browser")
    return file_of(folder / (browser if isinstance(browser, str) else about.get("main", "index.js")))


def collect(modules, entry):
    """Every file that is needed, and what the names in it mean."""
    found, todo = {}, [entry]
    while todo:
        file = todo.pop()
        if file in found:
            continue
        text = re.sub(r"//# sourceMappingURL=.*", "", file.read_text())
        names = {}
        for name in REQUIRE.findall(text) if file.suffix == ".js" else []:
            target = resolve(modules, file, name)
            if target:
                names[name] = target
                todo.append(target)
        found[file] = (text, names)
    return found


def main():
    modules = pathlib.Path(sys.argv[1]).resolve()
    entry = resolve(modules, modules / "x", sys.argv[2])
    found = collect(modules, entry)
    packages = sorted({file.relative_to(modules).parts[0] for file in found})
    out = []
    for package in packages:
        about = json.loads((modules / package / "package.json").read_text())
        licences = [p for p in (modules / package).iterdir() if p.name.lower().startswith("license")]
        text = licences[0].read_text().strip() if licences else about.get("license", "")
        out.append(f"/* {package} {about['version']}\n\n{text.replace('*/', '* /')}\n*/")
    key = {file: str(file.relative_to(modules)) for file in found}
    out.append("(function () {\nvar modules = {")
    for file, (text, names) in sorted(found.items()):
        body = f"module.exports = {text};" if file.suffix == ".json" else text
        table = json.dumps({name: key[target] for name, target in names.items()})
        out.append(f"{json.dumps(key[file])}: [{table}, function (module, exports, require, process) {{\n{body}\n}}],")
    out.append(f"""}};
var made = {{}};
function load(key) {{
    if (!made[key]) {{
        var module = made[key] = {{ exports: {{}} }};
        modules[key][1].call(module.exports, module, module.exports, function (name) {{
            return load(modules[key][0][name]);
        }}, {{ env: {{}}, type: 'renderer' }});
    }}
    return made[key].exports;
}}
globalThis.{sys.argv[3]} = load({json.dumps(key[entry])});
}})();
""")
    sys.stdout.write("\n".join(out))


if __name__ == "__main__":
    main()
