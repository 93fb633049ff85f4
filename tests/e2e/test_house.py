#!/usr/bin/env python3
"""The tree keeps the house's order: arrows between folders, circles of files, sizes, form and words. What each
check is about stands in docs/architecture.md, section 1."""

import glob
import os
import re
import statistics
import unittest

from harness import main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ["core", "net", "policy", "queue", "config", "config/exchange", "mailrace", "mailrace/cli", "bench",
           "bench/sink"]
# Folder -> those that it may include, besides itself. The build refuses the rest too: this says so in one place.
PARTS = {"core", "net", "policy", "queue"}
ARROWS = {
    "core": set(),
    "net": {"core"}, "policy": {"core"}, "queue": {"core"},
    "config": PARTS,
    "config/exchange": PARTS | {"config"},
    "bench/sink": {"core", "net"},
    "bench": PARTS | {"bench/sink"},
    "mailrace": PARTS | {"config"},
    "mailrace/cli": PARTS | {"config", "config/exchange", "bench/sink", "mailrace"},
}
CIRCLES_MAX, CIRCLE_FILES_MAX = 3, 4
MEDIAN_MAX, P90_MAX, FUNCTION_MAX, FILE_MAX = 12, 30, 60, 600
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
TEXT = re.compile(r'"(?:\\.|[^"\\\n])*"')
# A definition begins in column 0 and its body's brace stands alone in column 0.
DEFINITION = re.compile(r"^(?!static|typedef|#)[a-z][^;{}]*?\b(\w+)\([^;{}]*\)\n\{", re.MULTILINE)
# Sentences that turn on these words cost a reader time; the field has nouns for all of them.
HARD_WORDS = re.compile(r"\b(whoever|whom|whose|nobody|somebody|he|hinder|hungry|errand)\b", re.IGNORECASE)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def sources(*patterns, folders=FOLDERS):
    found = [path for folder in folders for pattern in patterns for path in glob.glob(f"{folder}/{pattern}", root_dir=ROOT)]
    return sorted(found)


def code(path):
    return COMMENT.sub(" ", TEXT.sub('""', read(path)))


def function_lengths(path):
    """(lines from the signature to the closing brace, where) of every function."""
    lines = read(path).split("\n")
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
            while start > 0 and (start == number or lines[start][:1] in (" ", "\t")):
                start -= 1
        elif line == "}" and start is not None:
            yield number - start + 1, f"{path}:{start + 1}"
            start = None


def circles(arrows):
    """Tarjan's strongly connected components of more than one node."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in arrows[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return found


def calls(folder):
    """File -> files of the folder in which a function stands that it names."""
    texts = {path: code(path) for path in sources("*.c", folders=[folder])}
    home = {name: path for path, text in texts.items() for name in DEFINITION.findall(text)}
    return {path: {home[word] for word in set(re.findall(r"\w+", text)) if home.get(word, path) != path}
            for path, text in texts.items()}


class House(unittest.TestCase):
    def test_folders_include_only_downwards(self):
        for folder in FOLDERS:
            for path in set(sources("*.c", "*.h", folders=[folder])) - {"mailrace/main.c"}:
                for include in INCLUDE.findall(read(path)):
                    other = os.path.dirname(include)
                    self.assertTrue(other == folder or other in ARROWS[folder], f"{path} includes {include}")
                    self.assertTrue(os.path.exists(os.path.join(ROOT, include)),
                                    f"{path}: an include path is the file's path, not {include}")

    def test_files_of_a_folder_form_few_and_small_circles(self):
        found = [circle for folder in FOLDERS for circle in circles(calls(folder))]
        self.assertLessEqual(len(found), CIRCLES_MAX, found)
        for circle in found:
            self.assertLessEqual(len(circle), CIRCLE_FILES_MAX, circle)

    def test_functions_and_files_are_short(self):
        lengths = sorted(pair for path in sources("*.c", "*.h") for pair in function_lengths(path))
        plain = [length for length, _ in lengths]
        self.assertGreater(len(plain), 1000)
        self.assertLessEqual(statistics.median(plain), MEDIAN_MAX)
        self.assertLessEqual(plain[len(plain) * 9 // 10], P90_MAX)
        self.assertLessEqual(plain[-1], FUNCTION_MAX, lengths[-1])
        for path in sources("*.c", "*.h"):
            self.assertLessEqual(read(path).count("\n"), FILE_MAX, path)

    def test_every_source_says_first_what_it_is(self):
        for path in sources("*.c", "*.h") + glob.glob("tests/**/*.c", root_dir=ROOT, recursive=True):
            self.assertTrue(read(path).startswith("/* "), path)

    def test_every_folder_has_a_readme_that_names_its_modules(self):
        for folder in FOLDERS:
            page = read(f"{folder}/README.md")
            names = re.findall(r"`([\w*]+)(?:\.[ch]|\.\[ch\])?`", page)
            # `_pace` in a row of `load_source` stands for load_source_pace.
            patterns = [re.compile((r"\w+" if name[0] == "_" else "") + name.replace("*", r"\w*") + "$") for name in names]
            for path in sources("*.c", folders=[folder]):
                module = os.path.splitext(os.path.basename(path))[0]
                self.assertTrue(any(p.match(module) for p in patterns), f"{folder}/README.md says nothing of {path}")

    def test_null_is_tested_in_one_way(self):
        for path in sources("*.c", "*.h") + glob.glob("tests/**/*.c", root_dir=ROOT, recursive=True):
            self.assertIsNone(re.search(r"[=!]= NULL", code(path)), path)

    def test_headers_of_tests_hold_no_function_bodies(self):
        for path in glob.glob("tests/**/*.h", root_dir=ROOT, recursive=True):
            self.assertNotIn("\n{\n", read(path), path)

    def test_sentences_do_without_hard_words(self):
        pages = ["README.md"] + glob.glob("docs/*.md", root_dir=ROOT) + glob.glob("packaging/**/*", root_dir=ROOT, recursive=True)
        for path in sources("*.c", "*.h", "*.md") + [p for p in pages if os.path.isfile(os.path.join(ROOT, p))]:
            for number, line in enumerate(read(path).split("\n"), 1):
                found = HARD_WORDS.search(line)
                self.assertIsNone(found, f"{path}:{number}: {line.strip()}")


if __name__ == "__main__":
    main()
