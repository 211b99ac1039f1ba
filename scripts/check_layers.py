#!/usr/bin/env python3
"""Holds src/ to the house of docs/architecture.md: which folder may include which, and what may be used in one place only.

Usage: check_layers.py [ROOT]            the sources
       check_layers.py --objects BUILD    what was compiled for an instruction set (x86-64: *_avx2.cpp, *_avx512.cpp)
       check_layers.py --self-test
Prints one line a breach, "path:line: what is wrong"; exit code 1 if there is any.
Checked: includes between folders (a row sees only smaller rows; folders of algos/ never each other), the same for DEPS in CMakeLists.txt,
headers and functions with an "only place", heavy headers in headers, libraries that print or exit, files compiled for an instruction set,
and that the table of docs/architecture.md names the same rows.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS = {
    "core": 0,
    "kernels": 1, "io": 1, "text": 1, "net": 1, "stats": 1,
    "lm": 2, "data": 2, "store": 2, "runs": 2,
    "people": 3, "score": 3,
    "envs": 4, "assist": 4, "nn": 4,
    "serve": 5, "train": 5,
    "algos": 6,
    "eval": 7,
    "cli": 8,
}
HEAVY_HEADERS = {"nlohmann/json.hpp", "torch/torch.h"}  # seconds for every includer
HEAVY_ALLOWED = ("serve/json.h",)  # the one header of request parsing, included by serve's .cpp files only
TORCH = ("nn", "train", "algos", "eval")

# (pattern of an #include's target, folders where it may stand, what to say)
ONLY_PLACE_HEADERS = [
    (r".*intrin\.h|arm_neon\.h|arm_sve\.h", ("kernels",), "intrinsics belong to kernels/"),
    (r"png\.h|jpeglib\.h|turbojpeg\.h|webp/.*|yaml-cpp/.*", ("io",), "image codecs and YAML belong to io/"),
    (r"utf8proc\.h", ("text",), "utf8proc belongs to text/"),
    (r"boost/.*", ("net",), "Boost belongs to net/"),
    (r"sqlite3\.h|libpq-fe\.h|postgresql/.*", ("store",), "databases belong to store/"),
    (r"seccomp\.h|linux/seccomp\.h|linux/landlock\.h", ("score",), "the sandbox belongs to score/"),
    (r"mujoco/.*", ("envs",), "MuJoCo belongs to envs/"),
    (r"CLI/.*", ("cli",), "CLI11 belongs to cli/"),
    (r"spdlog/.*", ("core",), "spdlog belongs to core/ (use core/log.h)"),
    (r"torch/.*|ATen/.*|c10/.*", TORCH, "libtorch belongs to rows 4 to 7: " + ", ".join(TORCH)),
    (r"mpi\.h", TORCH, "MPI belongs to training"),
]

# (pattern in code without comments, folders or files where it may stand, what to say)
ONLY_PLACE_CODE = [
    (r"\b_mm\d*_\w+\s*\(|\b__builtin_ia32_(?!pause\b)\w+", ("kernels",), "intrinsics belong to kernels/"),
    (r"\"\s*(?:SELECT\s.+\sFROM|INSERT\s+(?:OR\s+\w+\s+)?INTO|CREATE\s+(?:TABLE|INDEX|UNIQUE)|DELETE\s+FROM|PRAGMA\s|BEGIN\s+IMMEDIATE)\b", ("store",),
     "SQL belongs to store/"),
    (r"std::cout|std::cerr|\bstd::puts\s*\(|(?<![\w:.>])(?:std::)?f?printf\s*\(", ("cli", "core/log.cpp", "core/progress.cpp"),
     "libraries never print: return the text, or use core/log.h"),
    (r"(?<![\w.>:])(?:std::)?(?:exit|_Exit|quick_exit|abort|terminate)\s*\(", ("cli", "core/error.cpp"), "libraries never end the program: throw attune::Error"),
]

# Headers that define inline functions and templates would be instantiated for the wider instruction set, and the linker may keep that copy.
ISA_FILE = re.compile(r"_(avx\w*|sse\w*|neon\w*|sve\w*|amx\w*)\.cpp$")
ISA_STD_HEADERS = {"cstdint", "cstddef", "cstring", "climits", "cfloat", "stdint.h", "stddef.h", "string.h", "float.h", "limits.h"}
ISA_PROJECT_HEADERS = ("kernels/", "core/dtype.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def strip_comments(text):
    """Comments become blanks; strings and line numbers stay. Raw strings are kept as they are."""
    pattern = r'R"([^()\\ ]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/'

    def blank(match):
        found = match.group(0)
        return found if found[0] not in "/" else re.sub(r"[^\n]", " ", found)

    return re.sub(pattern, blank, text, flags=re.S)


def code_without_strings(text):
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def place_allowed(path, places):
    """`path` is relative to src/: kernels/a/b.cpp. A place is a folder or one file."""
    return any(path == place or path.startswith(place + "/") for place in places)


def check_source(path, text, known_files):
    """Breaches of one file of src/; `path` is relative to src/."""
    folder = path.split("/")[0]
    row = ROWS.get(folder)
    if row is None:
        yield 1, f"folder {folder}/ is not in the house (scripts/check_layers.py, docs/architecture.md)"
        return
    plain = strip_comments(text)
    is_header = path.endswith(".h")
    isa = ISA_FILE.search(path)
    for number, line in enumerate(plain.split("\n"), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, target = match.groups()
        other = target.split("/")[0]
        if kind == '"' or (other in ROWS and target in known_files):
            if other not in ROWS or "/" not in target:
                yield number, f'"{target}": project includes start with a folder of src/'
            elif other != folder and ROWS[other] >= row:
                yield number, f"{folder}/ (row {row}) includes {target} (row {ROWS[other]}): only smaller rows may be included"
            elif folder == other == "algos" and target.split("/")[1] != path.split("/")[1] and target.count("/") > 1 and path.count("/") > 1:
                yield number, f"algos/{path.split('/')[1]} includes {target}: folders of algos/ never include each other"
            elif other != folder and target.endswith("_internal.h"):
                yield number, f"{target} is internal to {other}/"
        for pattern, places, message in ONLY_PLACE_HEADERS:
            if re.fullmatch(pattern, target) and not place_allowed(path, places):
                yield number, f"<{target}>: {message}"
        if re.match(r"Eigen/|unsupported/Eigen/", target) and (row < 3 or is_header):
            yield number, f"<{target}>: Eigen may be included by .cpp files from row 3 on"
        if is_header and target in HEAVY_HEADERS and path not in HEAVY_ALLOWED:
            yield number, f"<{target}> in a header costs every includer seconds: forward-declare (nlohmann/json_fwd.hpp) or hide it in the .cpp"
        if isa and kind == "<" and target not in ISA_STD_HEADERS and not target.endswith(("intrin.h", "neon.h", "sve.h")):
            yield number, f"<{target}>: a file compiled for {isa.group(1)} may include only {', '.join(sorted(ISA_STD_HEADERS))} and intrinsics"
        if isa and kind == '"' and not target.startswith(ISA_PROJECT_HEADERS):
            yield number, f'"{target}": a file compiled for {isa.group(1)} may include only kernels/ and core/dtype.h'
    bare = code_without_strings(plain)
    for pattern, places, message in ONLY_PLACE_CODE:
        if place_allowed(path, places):
            continue
        body = plain if "SELECT" in pattern else bare
        for match in re.finditer(pattern, body):
            line = body.count("\n", 0, match.start()) + 1
            if "#include" not in body.split("\n")[line - 1]:
                yield line, f"{match.group(0).strip()}: {message}"
    if isa:
        for match in re.finditer(r"\bstd::(?!size_t|int\d|uint\d|byte\b|memcpy|memset|memmove|ptrdiff_t)(\w+)|^\s*template\s*<|^inline\s", bare, re.M):
            if "std" not in match.group(0) and re.search(r"namespace\s*\{", bare[: match.start()]):
                continue  # in an anonymous namespace every function stays in its file
            line = bare.count("\n", 0, match.start()) + 1
            yield line, f"{match.group(0).strip()}: a file compiled for {isa.group(1)} uses no templates of std and defines its own in an anonymous namespace"


def check_cmake(path, text):
    """DEPS of attune_library(NAME DEPS ...) in src/<folder>/CMakeLists.txt."""
    for match in re.finditer(r"attune_library\(\s*(\w+)([^)]*)\)", text):
        name, rest = match.groups()
        deps = re.search(r"\bDEPS\b(.*?)(?=\bLINK\b|$)", rest, re.S)
        line = text.count("\n", 0, match.start()) + 1
        if name not in ROWS:
            yield line, f"attune_library({name}): not in the house"
            continue
        for dep in deps.group(1).split() if deps else []:
            if dep in ROWS and ROWS[dep] >= ROWS[name]:
                yield line, f"attune_library({name}) links {dep} (row {ROWS[dep]}): only smaller rows than {ROWS[name]}"


def check_document(text):
    """Rows of the table in docs/architecture.md: | 1 | `io/` | ..."""
    written = {folder: int(row) for row, folder in re.findall(r"^\|\s*(\d)\s*\|\s*`(\w+)/`", text, re.M)}
    for folder in sorted(set(ROWS) | set(written)):
        if ROWS.get(folder) != written.get(folder):
            yield 1, f"{folder}/ is in row {written.get(folder)} here and in row {ROWS.get(folder)} in scripts/check_layers.py"


def check_tree(root):
    source = root / "src"
    files = sorted(p for p in source.rglob("*") if p.suffix in (".h", ".cpp") and p.is_file())
    known = {p.relative_to(source).as_posix() for p in files}
    found = []
    for path in files:
        relative = path.relative_to(source).as_posix()
        if "/" in relative:
            found += [(path.relative_to(root), line, text) for line, text in check_source(relative, path.read_text(errors="replace"), known)]
    for path in sorted(source.rglob("CMakeLists.txt")):
        found += [(path.relative_to(root), line, text) for line, text in check_cmake(path, path.read_text())]
    document = root / "docs/architecture.md"
    if document.exists():
        found += [(document.relative_to(root), line, text) for line, text in check_document(document.read_text())]
    return len(files), found


def check_objects(build):
    """Compiled files of an instruction set must define no weak symbol: the linker would keep one copy for the whole program."""
    objects = [p for p in sorted(build.rglob("*.cpp.o")) if ISA_FILE.search(p.name.removesuffix(".o")) and "src" in p.parts]
    found = []
    for path in objects:
        listing = subprocess.run(["nm", "--demangle", "--defined-only", str(path)], capture_output=True, text=True, check=True).stdout
        found += [(path.relative_to(build), 1, f"weak symbol {line.split(maxsplit=2)[2]}: put it into an anonymous namespace")
                  for line in listing.splitlines() if re.match(r"[0-9a-f]* [WwVvu] (?!DW\.ref\.)", line)]
    return len(objects), found


SELF_TESTS = [  # path below src/, text, part of the expected message ("" = must pass)
    ("core/a.h", '#include "io/tensor.h"\n', "only smaller rows"),
    ("io/a.h", '#include "text/vocab.h"\n', "only smaller rows"),
    ("io/a.h", '#include "core/error.h"\n#include "io/b_internal.h"\n', ""),
    ("lm/a.cpp", '#include "io/b_internal.h"\n', "internal to io/"),
    ("lm/a.cpp", '#include "config.h"\n', "start with a folder"),
    ("algos/eagle/a.cpp", '#include "algos/pasta/b.h"\n', "never include each other"),
    ("algos/eagle/a.cpp", '#include "algos/eagle/b.h"\n', ""),
    ("lm/a.cpp", "#include <immintrin.h>\n", "intrinsics"),
    ("lm/a.cpp", "float f() { return _mm256_cvtss_f32(x); }\n", "intrinsics"),
    ("lm/a.cpp", "// _mm256_add_ps(a, b) is what kernels/ uses\n", ""),
    ("serve/a.cpp", "#include <boost/beast.hpp>\n", "Boost"),
    ("net/a.cpp", "#include <boost/beast.hpp>\n", ""),
    ("serve/a.cpp", 'auto q = "SELECT user FROM events";\n', "SQL"),
    ("store/a.cpp", 'auto q = "SELECT user FROM events";\n', ""),
    ("serve/a.cpp", "#include <CLI/CLI.hpp>\n", "CLI11"),
    ("data/a.cpp", "#include <Eigen/Dense>\n", "Eigen"),
    ("people/a.h", "#include <Eigen/Dense>\n", "Eigen"),
    ("people/a.cpp", "#include <Eigen/Dense>\n", ""),
    ("lm/a.cpp", "#include <torch/torch.h>\n", "libtorch"),
    ("lm/a.h", "#include <nlohmann/json.hpp>\n", "forward-declare"),
    ("lm/a.cpp", 'void f() { std::printf("x"); }\n', "never print"),
    ("lm/a.cpp", 'void f() { snprintf(b, 4, "printf(%d)", 1); }\n', ""),
    ("lm/a.cpp", "void f() { std::abort(); }\n", "never end"),
    ("lm/a.cpp", "void f() { on_exit(); queue.abort(); }\n", ""),
    ("cli/a.cpp", 'void f() { std::printf("x"); }\n', ""),
    ("kernels/g_avx2.cpp", "#include <immintrin.h>\n#include <cstdint>\n#include \"kernels/g_internal.h\"\n", ""),
    ("kernels/g_avx2.cpp", "#include <vector>\n", "compiled for avx2"),
    ("kernels/g_avx512.cpp", '#include "core/error.h"\n', "compiled for avx512"),
    ("kernels/g_avx2.cpp", "int f(int a) { return std::min(a, 3); }\n", "compiled for avx2"),
    ("kernels/g_avx2.cpp", "template <int N>\nvoid f() {}\n", "compiled for avx2"),
    ("kernels/g_avx2.cpp", "namespace {\ntemplate <int N>\nvoid f() {}\n}\n", ""),
    ("kernels/g_scalar.cpp", "#include <vector>\n", ""),
    ("misc/a.cpp", "int x;\n", "not in the house"),
    ("lm/CMakeLists.txt", "attune_library(lm DEPS core store LINK X::X)\n", "only smaller rows"),
    ("lm/CMakeLists.txt", "attune_library(lm DEPS core io LINK X::X)\n", ""),
]


def self_test():
    failed = 0
    for path, text, expected in SELF_TESTS:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "src" / path
            file.parent.mkdir(parents=True)
            file.write_text(text)
            found = [message for _, _, message in check_tree(Path(folder))[1]]
        good = any(expected in message for message in found) if expected else not found
        if not good:
            failed += 1
            print(f"self-test {path}: {text!r}\n  expected {expected or 'no breach'!r}, found {found}")
    print(f"{len(SELF_TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    arguments = sys.argv[1:]
    if "--self-test" in arguments:
        return self_test()
    if "--objects" in arguments:
        count, found = check_objects(Path(arguments[arguments.index("--objects") + 1]))
    else:
        count, found = check_tree(Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1])
    for path, line, text in found:
        print(f"{path}:{line}: {text}")
    print(f"layers: {count} files, {len(found)} breaches", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
