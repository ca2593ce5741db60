#!/usr/bin/env python3
"""Reads the public part of a header: its declarations and the plain comments that belong to them.

    reference.py FILE            the file as Doxygen wants it (its INPUT_FILTER), line for line
    reference.py --manual FILE   the manual at the top of the file as Markdown
    reference.py --check FILE... that every public declaration has a comment, and that every name
                                 that a comment mentions exists

A comment belongs to the declarations that follow it without an empty line between, or to what
stands before it on the same line. A struct's member may go without one if the struct has one, and a
macro if the comment at the top of the file has a line for it: the name, two blanks, what it is.
"""

import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HEADER = ROOT / "opensandbox.h"

PRIVATE = re.compile(r"/\* ---- private|/\* ==== implementation")
BANNER = re.compile(r"^/\* ---- (.*?) -*\s*(\*/)?$")
NAME = r"(?:osb|OSB)_\w+"
OPEN = re.compile(rf"^(?:typedef )?(struct|enum|union) ({NAME}) \{{(.*)$")
CLOSE = re.compile(r"^\}.*;")
DEFINE = re.compile(r"^\s*#\s*define (\w+)")
TABLE_ROW = re.compile(r'\{"(\w+)", \w+,\s*(?:OSB__AT\((\w+), (\w+)\))')
STATUS = re.compile(r'X\((OSB_\w+), (-?\d+), "(.*?)"\)')
TOP_LINE = re.compile(rf"^ +({NAME})(?:\([^)]*\))?  +(\S.*)$", re.MULTILINE)


class Item:
    """A public declaration: a function, a type, a macro, a constant, or a struct's member."""

    def __init__(self, kind, name, line, owner, comment):
        self.kind, self.name, self.line, self.owner, self.comment = kind, name, line, owner, comment


def public_lines(text):
    """The public part; the rest as empty lines, so that line numbers stay."""
    lines = text.split("\n")
    manual_end = next(n for n, line in enumerate(lines) if line.rstrip().endswith("*/")) + 1
    lines[:manual_end] = [""] * manual_end
    for number, line in enumerate(lines):
        if PRIVATE.match(line):
            return lines[:number]
    return lines


def json_names(text):
    """{(struct, member): name in JSON}, from the tables of the implementation."""
    return {(struct, member): name for name, struct, member in TABLE_ROW.findall(text)}


def split_trailing(line):
    """(code, comment or None) of a line with code on it."""
    match = re.match(r"^(.*?\S)\s*/\*\s*(.*?)\s*(\*/)?\s*\\?$", line)
    if match and not match[1].strip().startswith("//"):
        return match[1], match[2], match[3] is not None
    return line, None, True


def member_name(code):
    pointer = re.search(r"\(\*(\w+)\)\(", code)
    if pointer:
        return pointer[1]
    names = re.findall(r"(\w+)(?:\[[^]]*\])?\s*(?=[;,=]|$)", code)
    return names[-1] if names else None


class Reader:
    """Walks over the lines once; `items` is what was found, `out` what Doxygen gets."""

    def __init__(self, path):
        text = path.read_text("utf-8")
        self.path, self.json = path, json_names(text)
        self.described = dict(TOP_LINE.findall(text[: text.index("*/")]))
        self.lines = public_lines(text)
        self.title = text.split("\n")[0].removeprefix("/* ")
        self.items, self.out = [], []
        self.comment, self.owner, self.owner_kind = None, None, None
        self.owner_comment, self.private = None, False
        self.group = False
        self.at = 0

    def add(self, kind, name, comment):
        self.items.append(Item(kind, name, self.at + 1, self.owner, comment))

    def read(self):
        while self.at < len(self.lines):
            line = self.lines[self.at]
            stripped = line.strip()
            if not stripped:
                self.comment = None if self.owner is None else self.comment
                self.out.append("")
                self.at += 1
            elif BANNER.match(stripped):
                self.banner(stripped)
            elif stripped.startswith("/*"):
                self.block_comment()
            elif stripped.startswith("#"):
                self.preprocessor(line)
            elif self.owner:
                self.inside(line)
            else:
                self.declaration(line)
        if self.group:
            self.out.append("/** \\} */")
        self.out[0] = f"/** \\file ^^ {escape(self.title)} */"
        return self

    def banner(self, line):
        match = BANNER.match(line)
        title = match[1].strip()
        slug = re.sub(r"\W+", "_", f"{self.path.stem}_{title}")[:60]
        close = "/** \\} */ " if self.group else ""
        if match[2]:
            self.out.append(
                f"{close}/** \\defgroup {slug} {escape(title)}\n\\{{ */".replace("\n", " ^^ ")
            )
            self.at += 1
        else:  # a banner with a text of its own
            lines = self.take_comment()
            body = "\n".join(lines[1:]).removesuffix("*/")
            self.out.append(f"{close}/** \\defgroup {slug} {escape(title)} ^^ \\verbatim")
            self.out.extend(body.split("\n"))
            self.out[-1] += " \\endverbatim \\{ */"
        self.group = True

    def take_comment(self):
        start = self.at
        while "*/" not in self.lines[self.at]:
            self.at += 1
        self.at += 1
        return self.lines[start : self.at]

    def block_comment(self):
        lines = self.take_comment()
        text = "\n".join(lines).strip()
        if self.owner and text.startswith("/* private"):
            self.private = True
            self.out.extend(["/** \\cond private */"] + [""] * (len(lines) - 1))
            return
        self.comment = text[2:].removesuffix("*/").strip()
        indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        follows = self.at < len(self.lines) and self.lines[self.at].strip()
        opening = "/** " if follows else "/* "
        shown = escape(self.comment) if follows else self.comment
        self.out.extend((indent + opening + shown + " */").split("\n"))

    def repeated(self, first):
        """The comment again, for a declaration that shares it with the one before."""
        return "" if first else f"/** {escape(' '.join(self.comment.split()))} */ "

    def preprocessor(self, line):
        define = DEFINE.match(line)
        if not define or re.fullmatch(r"OPENSANDBOX_H|OSB_DEF|OSB_\w+_H", define[1]):
            self.whole_macro(line)
            return
        if define[1] == "OSB_STATUS_LIST":
            self.status_list()
            return
        if not re.fullmatch(NAME, define[1]) or define[1].startswith("OSB__"):
            start = len(self.out)  # a macro of the system's, or a private one
            self.whole_macro(line)
            self.out[start:] = [""] * (len(self.out) - start)
            return
        code, trailing, _ = split_trailing(line)
        self.add("macro", define[1], trailing or self.comment or self.described.get(define[1]))
        if trailing:
            self.out.append(f"/** {escape(trailing)} */ ^^ {code}")
            self.at += 1
            return
        again = self.comment and self.out and not self.out[-1].rstrip().endswith("*/")
        self.whole_macro(self.repeated(False) + "^^ " + line if again else line)

    def whole_macro(self, line):
        """A macro with the lines that continue it."""
        self.out.append(line)
        while line.endswith("\\"):
            self.at += 1
            line = self.lines[self.at]
            self.out.append(line)
        self.at += 1

    def status_list(self):
        """The list of statuses becomes the enum that it stands for."""
        self.add("macro", "OSB_STATUS_LIST", self.comment)
        body = []
        start = self.at
        while self.lines[self.at].endswith("\\"):
            body.append(self.lines[self.at])
            self.at += 1
        body.append(self.lines[self.at])
        self.at += 1
        comment, rows = None, []
        for line in body[1:]:
            text = line.rstrip("\\ ").strip()
            if text.startswith("/*"):
                comment = text[2:].removesuffix("*/").strip()
            match = STATUS.match(text)
            if match:
                says = f'"{match[3]}". ' + (comment or "")
                self.items.append(
                    Item("constant", match[1], start + 1, "osb_status", comment or match[3])
                )
                rows.append(f"{match[1]} = {match[2]}, /**< {escape(says)} */")
                comment = None
        # The enum itself follows in the header with the macro's help: dropped here.
        while not self.lines[self.at].startswith("typedef enum osb_status"):
            self.at += 1
        self.add("enum", "osb_status", "every call's outcome")
        while not CLOSE.match(self.lines[self.at]):
            self.at += 1
        self.at += 1
        self.out.append("#define OSB_STATUS_LIST(X)")
        self.out.append("/** How a call ended. */ typedef enum osb_status { " + rows[0])
        self.out.extend(rows[1:])
        self.out[-1] += " } osb_status;"
        self.out.extend([""] * (self.at - len(self.out)))

    def declaration(self, line):
        opened = OPEN.match(line)
        if opened:
            self.add(opened[1], opened[2], self.comment)
            self.owner, self.owner_kind, self.owner_comment = opened[2], opened[1], self.comment
            if "}" in opened[3]:
                self.one_line(line, opened)
                return
            self.out.append(line)
            self.comment = None
            self.at += 1
            return
        start = self.at
        text = line
        while not re.search(r"[;{}]\s*(/\*.*)?$", text.rstrip()) and self.at + 1 < len(self.lines):
            self.at += 1
            text += "\n" + self.lines[self.at]
        self.at += 1
        name = re.search(rf"(?:\(\*)?({NAME})\)?\s*[(;]", text)
        first = bool(self.out) and self.out[-1].rstrip().endswith("*/")
        code, trailing, _ = split_trailing(text.split("\n")[-1])
        if name and not name[1].startswith("OSB_") and 'extern "C"' not in text:
            kind = "type" if text.startswith("typedef") else "function"
            self.items.append(Item(kind, name[1], start + 1, None, self.comment or trailing))
            prefix = self.repeated(first) if self.comment else ""
            if trailing and not self.comment:
                prefix = f"/** {escape(trailing)} */ "
            text = prefix + text
        self.out.extend(text.split("\n"))

    def one_line(self, line, opened):
        """typedef enum x { A = 1, B = 2 } x;"""
        for name in re.findall(NAME, opened[3].split("}")[0]):
            self.add("constant", name, self.comment)
        self.out.append(
            re.sub(rf"({NAME} = -?\w+)(,?)", rf"\1\2 /**< See \\ref {opened[2]}. */", line)
        )
        self.owner, self.comment = None, None
        self.at += 1

    def inside(self, line):
        if CLOSE.match(line):
            self.owner, self.comment = None, self.owner_comment
            self.out.append("/** \\endcond */ ^^ " * self.private + line)
            self.private = False
            self.at += 1
            return
        code, trailing, whole = split_trailing(line)
        start = self.at
        while not whole or (
            self.owner_kind != "enum" and not code.rstrip().endswith((";", "{", "}"))
        ):
            self.at += 1
            more = self.lines[self.at]
            if whole:
                next_code, trailing, whole = split_trailing(more)
                code += "\n" + next_code
            else:
                trailing += " " + more.strip().removesuffix("*/").strip()
                whole = "*/" in more
        self.at += 1
        self.member(code, trailing, start)

    def member(self, code, trailing, start):
        if self.private:
            self.out.extend(code.split("\n") + [""] * (self.at - start - len(code.split("\n"))))
            return
        name = member_name(" ".join(code.split()).rstrip(","))
        comment = trailing or self.comment
        json = self.json.get((self.owner, name))
        kind = "constant" if self.owner_kind == "enum" else "member"
        listed = None
        if name is not None:
            names = [name]
            listed = re.match(r"^\s*[\w ]+?[ *](\w+(?:, \w+)+);", code)
            listed = listed if kind == "member" else None
            if listed:
                names = listed[1].split(", ")
            for one in names:
                item = Item(kind, one, start + 1, self.owner, comment or (json and f"JSON: {json}"))
                self.items.append(item)
        shown = escape(trailing) if trailing else ""
        if not comment:
            shown = self.default_text(name)
        if json:
            shown += f" <br>JSON: <tt>{json}</tt>"
        own_block = (
            self.out and self.out[-1].rstrip().endswith("*/") and self.comment and not trailing
        )
        if shown.strip() and not (own_block and not json):
            shown = f" /**< {shown} */"
        else:
            shown = ""
        if listed:  # Doxygen wants each by itself
            kind_of = listed[0].split(names[0])[0]
            code, shown = " ^^ ".join(f"{kind_of}{one};{shown}" for one in names), ""
        text = (code + shown).split("\n")
        self.out.extend(text)
        self.out.extend([""] * (self.at - start - len(text)))
        self.comment = None

    def default_text(self, name):
        if name and name.endswith("_count"):
            return "How many there are."
        return f"See \\ref {self.owner}."


def escape(text):
    """Keeps Doxygen from taking a plain text for markup, and links the names in it."""
    text = re.sub(r"([\\@<>#%*])", r"\\\1", text)
    return re.sub(rf"\b({NAME})\b(\.\w+)?", link, text)


DECLARED = set()


def link(match):
    name, member = match[1], match[2] or ""
    if member and (name + member) in DECLARED:
        return f'\\ref {name}::{member[1:]} "{name}{member}"'
    return f'\\ref {name} "{name}"{member}' if name in DECLARED else match[0]


def declared_names(paths):
    names = set()
    for path in paths:
        for item in Reader(path).read().items:
            names.add(f"{item.owner}.{item.name}" if item.kind == "member" else item.name)
    return names


# ---- the manual


def manual(path):
    """The first comment of the file: headings are lines in capitals, what is indented more is code."""
    text = path.read_text("utf-8")
    lines = text[2 : text.index("*/")].split("\n")
    out = [f"# {lines[0].strip()} {{#mainpage}}", ""]
    depth = 3
    code = False
    for line in lines[1:]:
        indent = len(line) - len(line.lstrip())
        stripped = line.strip()
        if indent == 3 and re.fullmatch(r"[A-Z][A-Z ,\-]+", stripped):
            out += ["~~~", ""] * code + [f"## {stripped.capitalize()}", ""]
            depth, code = 6, False
            continue
        if stripped and (indent > depth) != code:
            out.append("~~~" if code else "~~~{.c}")
            code = not code
        out.append(line[depth:] if code else escape(stripped))
    return "\n".join(out + ["~~~"] * code) + "\n"


# ---- the check


def unexplained(item, items):
    """A member's name and unit may say it all; whether it is so is for the reader to judge."""
    return not item.comment and item.kind != "member"


def dead_names(path, known):
    """(line, name) of each name in a public comment that is declared nowhere."""
    text = path.read_text("utf-8")
    end = PRIVATE.search(text)
    public = text[: end.start() if end else len(text)]
    for comment in re.finditer(r"/\*.*?\*/", public, re.DOTALL):
        for match in re.finditer(rf"\b({NAME})\b(?!\.\.\.)", comment[0]):
            name = match[1]
            if (
                name.endswith("_")
                or is_port(name)
                or name in known
                or any(n.startswith(name + ".") for n in known)
            ):
                continue
            yield public.count("\n", 0, comment.start() + match.start()) + 1, name


def is_port(name):
    """Ports are named by their files: osb_posix."""
    return (ROOT / "port" / f"{name}.h").exists() or re.fullmatch(r"osb_[a-z0-9]+", name)


SAMPLE = """\
/* sample.h - a header with one error of each kind
      OSB_SAMPLE_AT_TOP(x)  described here */
#if defined(OSB_SAMPLE_AT_TOP) || \\
    defined(OSB_SAMPLE_BARE)
#define OSB_SAMPLE_AT_TOP(x) (x)
#define OSB_SAMPLE_BARE 1
#endif

/* What it is. It is made by osb_sample_missing. */
typedef struct osb_sample {
    int size; /* in bytes */
} osb_sample;

void osb_sample_bare(osb_sample *sample);

/* Says what it does. */
void osb_sample_said(osb_sample *sample);
"""


def failures_of(path, known):
    """([what is wrong], how many declarations there are)."""
    items = Reader(path).read().items
    wrong = []
    for item in items:
        if unexplained(item, items):
            owner = f"{item.owner}." if item.owner else ""
            wrong.append(f"{path}:{item.line}: {item.kind} {owner}{item.name} has no comment")
    for line, name in dead_names(path, known):
        wrong.append(f"{path}:{line}: the comment names {name}, which does not exist")
    return wrong, len(items)


def checks_itself():
    with tempfile.NamedTemporaryFile("w", suffix=".h") as file:
        file.write(SAMPLE)
        file.flush()
        path = Path(file.name)
        wrong, _ = failures_of(path, declared_names([path]))
    if len(wrong) != 3:
        sys.exit("reference.py does not find the errors of its sample, but:\n" + "\n".join(wrong))


def check(paths):
    checks_itself()
    everything = [HEADER, *sorted(ROOT.glob("port/*.h"))]
    known = declared_names(everything)
    # Macros that only a comment describes, and what the files define or test.
    for path in everything:
        text = path.read_text("utf-8")
        known.update(re.findall(rf"(?:define|ifdef|ifndef|defined)[ (]+({NAME})", text))
        known.update(re.findall(rf"\b({NAME})\(", text))
    failures = count = 0
    for path in paths:
        wrong, declarations = failures_of(path, known)
        print("".join(f"{line}\n" for line in wrong), end="")
        failures += len(wrong)
        count += declarations
    print(f"comments: {count} public declarations, {failures} failures")
    return 1 if failures else 0


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--check":
        return check([Path(name) for name in sys.argv[2:]])
    DECLARED.update(declared_names([HEADER, *sorted(ROOT.glob("port/*.h"))]))
    if len(sys.argv) == 3 and sys.argv[1] == "--manual":
        print(manual(Path(sys.argv[2])), end="")
        return 0
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    # Two lines for Doxygen where the header has one.
    print("\n".join(Reader(Path(sys.argv[1])).read().out).replace(" ^^ ", "\n"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
