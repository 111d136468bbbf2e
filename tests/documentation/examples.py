#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The examples of the manual as tests: what the public headers show indented by five blanks in their comments, and
the C++ blocks of README.md.

    examples.py fill FRAME DOCUMENT OUTPUT   puts the examples of a document into their places
    examples.py check ROOT                   fails unless each example of the public headers and README has a place

A frame, frames/NAME.cpp for include/weft/NAME.hpp, is a test that has what its document's examples take for granted,
and says by `//< example >` where each of them goes, in their order. The compiler then names an example's own line.
"""
import pathlib
import re
import sys

PLACE = re.compile(r"^\s*//< example >$")
IN_COMMENT = re.compile(r"^\s*///(?: {5}(?P<code>.*)|\s*)$")


def examples_of_header(lines):
    """Examples, each a list of (line number, text); a blank line of comment does not end one."""
    found, current, blanks = [], [], []
    for number, line in enumerate(lines, 1):
        match = IN_COMMENT.match(line)
        if match and match["code"] is not None:
            current += blanks + [(number, match["code"])]
            blanks = []
        elif match and current:
            blanks.append((number, ""))
        else:
            found += [current] if current else []
            current, blanks = [], []
    return found + ([current] if current else [])


def examples_of_page(lines):
    found, current = [], None
    for number, line in enumerate(lines, 1):
        if current is None:
            current = [] if line == "```cpp" else None
        elif line == "```":
            found, current = found + [current], None
        else:
            current.append((number, line))
    return found


def examples_of(document):
    lines = document.read_text().splitlines()
    return examples_of_page(lines) if document.suffix == ".md" else examples_of_header(lines)


def places_of(frame):
    return sum(1 for line in frame.read_text().splitlines() if PLACE.match(line))


def wrong_places(document, frame):
    """What is wrong between the two; None if each example has its place."""
    examples = examples_of(document)
    if not frame.exists():
        return f"{document}:{examples[0][0][0]}: this example needs a frame, {frame}" if examples else None
    if len(examples) != places_of(frame):
        where = ", ".join(str(example[0][0]) for example in examples)
        return f"{frame} has places for {places_of(frame)} examples; {document} has {len(examples)}, at lines {where}"
    return None


def fill(frame, document, output):
    wrong = wrong_places(document, frame)
    if wrong:
        sys.exit(wrong)
    examples = iter(examples_of(document))
    includes, body = [], [f'#line 1 "{frame}"']
    for number, line in enumerate(frame.read_text().splitlines(), 1):
        if not PLACE.match(line):
            body.append(line)
            continue
        example = next(examples)
        body.append(f'#line {example[0][0]} "{document}"')
        # A frame may put a whole program into a namespace: its includes go where they belong, and its main, which
        # then is a function like others, returns 0 at its end.
        includes += [text for _, text in example if text.startswith("#include")]
        code = ["" if text.startswith("#include") else text for _, text in example]
        if "int main() {" in code:
            code[-1] = "return 0; " + code[-1]
        body += code
        body.append(f'#line {number + 1} "{frame}"')
    output.write_text("\n".join(includes + body) + "\n")


def check(root):
    frames = root / "tests/documentation/frames"
    documents = sorted((root / "include/weft").glob("*.hpp")) + [root / "README.md"]
    wrong = [text for document in documents
             if (text := wrong_places(document, frames / f"{document.stem}.cpp"))]
    names = {document.stem for document in documents}
    wrong += [f"{frame} is for no document" for frame in sorted(frames.glob("*.cpp")) if frame.stem not in names]
    count = sum(len(examples_of(document)) for document in documents)
    if count == 0:
        wrong.append(f"no example in {root}")
    print("\n".join(wrong) or f"{count} examples, each with its place")
    return 1 if wrong else 0


if __name__ == "__main__":
    paths = [pathlib.Path(argument) for argument in sys.argv[2:]]
    if sys.argv[1:2] == ["fill"] and len(paths) == 3:
        fill(*paths)
    elif sys.argv[1:2] == ["check"] and len(paths) == 1:
        sys.exit(check(*paths))
    else:
        sys.exit(__doc__)
