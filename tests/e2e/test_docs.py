#!/usr/bin/env python3
"""The documents say what is there: generated pages are up to date, relative links lead somewhere,
manual pages render without a warning."""

import glob
import os
import re
import shutil
import subprocess
import unittest

from harness import main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ABROAD = re.compile(r"^[a-z]+:")
# Files that docs/durability.md names as proof stand in backquotes.
NAMED = re.compile(r"`((?:tests|queue|core|net|docs|bench)/[\w./-]+\.[a-z]+)`")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def documents():
    found = ["README.md"] + glob.glob("docs/**/*.md", root_dir=ROOT, recursive=True)
    return sorted(found)


def anchor(heading):
    """As the usual renderers make it of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path):
    return {anchor(h) for h in re.findall(r"^#+ (.*)$", FENCE.sub("", read(path)), re.MULTILINE)}


class Docs(unittest.TestCase):
    def test_spool_format_is_what_the_header_says(self):
        made = subprocess.run([os.path.join(ROOT, "docs", "generate-spool-format")], check=True,
                              stdout=subprocess.PIPE).stdout.decode()
        # Every rule and every constant of the header is on the page.
        header = read("queue/spool_format.h")
        for rule in re.findall(r"^ \*   ([HR]\d) ", header, re.MULTILINE):
            self.assertIn(f"- **{rule}** ", made)
        for name in re.findall(r"^#define (SPOOL_\w+) ", header, re.MULTILINE):
            self.assertIn(f"| `{name}` | ", made)
        self.assertEqual(read("docs/spool-format.md"), made,
                         "run docs/generate-spool-format > docs/spool-format.md")

    def test_relative_links_lead_somewhere(self):
        count = 0
        for document in documents():
            for link in LINK.findall(CODE.sub("", FENCE.sub("", read(document)))):
                if ABROAD.match(link):
                    continue
                with self.subTest(document=document, link=link):
                    count += 1
                    path, _, fragment = link.partition("#")
                    target = os.path.normpath(os.path.join(os.path.dirname(document), path)) \
                        if path else document
                    self.assertFalse(target.startswith(".."), "leads out of the tree")
                    self.assertTrue(os.path.exists(os.path.join(ROOT, target)), "no such file")
                    if fragment and target.endswith(".md"):
                        self.assertIn(fragment, anchors(target))
        self.assertGreater(count, 5)

    def test_files_named_as_proof_exist(self):
        named = set(NAMED.findall(read("docs/durability.md")))
        self.assertGreater(len(named), 10)
        for path in sorted(named):
            with self.subTest(path=path):
                self.assertTrue(os.path.exists(os.path.join(ROOT, path)), "no such file")

    def manual_pages(self):
        pages = sorted(glob.glob(os.path.join(ROOT, "packaging", "man", "*.[1-9]")))
        self.assertTrue(pages)
        return pages

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_manual_pages_render_without_a_warning(self):
        for page in self.manual_pages():
            with self.subTest(page=os.path.basename(page)):
                done = subprocess.run(["groff", "-man", "-t", "-ww", "-Tutf8", "-P-cbou", page],
                                      check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))
                self.assertIn("NAME", done.stdout.decode())

    @unittest.skipUnless(shutil.which("man"), "man is not installed")
    def test_man_finds_nothing_to_complain_about(self):
        for page in self.manual_pages():
            with self.subTest(page=os.path.basename(page)):
                done = subprocess.run(["man", "--warnings", "-l", page], check=False,
                                      env=dict(os.environ, MANPAGER="cat", MANWIDTH="80", LC_ALL="C.UTF-8"),
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
                self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))
                self.assertIn("NAME", done.stdout.decode())


if __name__ == "__main__":
    main()
