"""Literals as JSON, Python and Node print them, read without running anything: one tolerant reader for all.

Nothing recurses. Depth and the number of tokens are bounded, and every token is found in time linear in its length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lamina_core import errors
from lamina_core.debugger.paste.kinds import Call, Frame, Number, Unreadable, Value, Word
from lamina_core.debugger.paste.text import unescape

_MOST_TOKENS = 200_000
_BEGINNING = 10  # tokens that it costs to begin a literal
_FAILURE = 50  # characters that it costs to begin one in vain
_DEEPEST = 200  # levels
_LONGEST_NOTE = 2_000  # characters of <an object at 0x7f...>

_TOKEN = re.compile(
    r"""
      (?P<blank>(?:[\s\ufeff]|//[^\n]*+|\#[^\n]*+)++)
    | (?P<string>(?P<prefix>(?i:br|rb|[bru])?)(?:
          \"""[^"\\]*+(?:(?:\\.|"(?!""))[^"\\]*+)*+\""" | '''[^'\\]*+(?:(?:\\.|'(?!''))[^'\\]*+)*+'''
        | "[^"\\]*+(?:\\.[^"\\]*+)*+" | '[^'\\]*+(?:\\.[^'\\]*+)*+' | `[^`\\]*+(?:\\.[^`\\]*+)*+` ))
    | (?P<hex><(?:Buffer)?(?P<digits>(?:[ ]?[0-9a-fA-F]{2})*+)(?P<more>[ ]?\.\.\.[ ]\d+[ ]more[ ]bytes?)?>)
    | (?P<left>\.\.\.[ ]?\d*+[ ]?more[ ]\w++)
    | (?P<note>\[(?:Object|Array|Circular|Symbol|class|Getter|Setter|(?:Async)?(?:Generator)?Function)\b[^\[\]{}"']*+\])
    | (?P<number>-?(?:0[xX][0-9a-fA-F]++|\d[\d_]*+(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?n?)
    | (?P<word>-?[^\W\d][\w$]*+(?:\.[\w$]++)*+|\$[\w$]*+)
    | (?P<mark>=>|[{}\[\](),:=+])
    | (?P<opaque><(?=[A-Za-z_\[]))
    """,
    re.VERBOSE | re.DOTALL,
)
# Where in running text a literal may begin: a bracket, also of a call; bytes; a string after a sign.
_START = re.compile(
    r"""(?:(?<![\w$.])[A-Za-z_$][\w$.]*+(?=\())?+[{\[(]|(?<!\w)[bB]["']|<Buffer|<(?=[0-9a-f]{2}[ >])"""
    r"""|(?<=[:=])["'`]|(?<=[:=][ ])["'`]"""
)
_SIGN = re.compile(r"\s*+(\S)")
_ANGLE = re.compile("[<>]")
_CONSTANTS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_CLOSERS = {"}": "{", "]": "[", ")": "("}


@dataclass(frozen=True)
class Literal:
    """A value and where it stands in its text.

    `manner` is JSON, Python or Node; `cut` are the strings whose end is left out.
    """

    value: Value
    start: int
    end: int
    manner: str
    cut: list[Value]


class LiteralReader:
    """Reads the literals of one text; all of its attempts share one allowance of tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = 0
        self._wasted = 0
        self._reached = 0
        self._manners: set[str] = set()
        self._cut: list[Value] = []

    def find(self) -> Iterator[Literal]:
        """Give the literals that stand in the text, one after the other, whatever is between them."""
        at = 0
        while start := _START.search(self._text, at):
            try:
                literal = self.read(start.start())
            except Unreadable:
                at = start.end()
                self._wasted += self._reached - start.start() + _FAILURE
                if self._wasted > len(self._text) + 100_000:
                    return  # running text with brackets, whatever it is
                continue
            yield literal
            at = literal.end

    def read(self, start: int) -> Literal:
        """Return the literal that begins here; Unreadable if none does, PasteRefused if it is monstrous."""
        self._manners, self._cut = set(), []
        self._tokens += _BEGINNING
        stack = [Frame("")]
        at, after_comma = start, False
        while True:
            match = self._next(at)
            kind, text, at = match.lastgroup, match.group(), match.end()
            if kind == "mark":
                if text in "{[(":
                    self._open(stack, text)
                elif text in _CLOSERS:
                    self._close(stack, text, after_comma)
                elif text != "+" and len(stack) == 1:
                    raise Unreadable("a sign outside of any bracket")
                elif text == ",":
                    stack[-1].end_entry()
                elif text != "+":
                    stack[-1].end_key()
                    self._note_mark(stack[-1], text)
            elif kind == "left" and stack[-1].values:
                self._cut.append(stack[-1].end_string())
            else:
                stack[-1].put(self._scalar(match))
                at = max(at, self._reached)
            after_comma = text == ","
            if len(stack) == 1 and not self._goes_on(stack[0], at):
                return Literal(stack[0].take(), start, at, self._manner(), self._cut)

    def _next(self, at: int) -> re.Match[str]:
        match = _TOKEN.match(self._text, at)
        if match is not None and match.lastgroup == "blank":
            at = match.end()
            match = _TOKEN.match(self._text, at)
        self._reached = at if match is None else match.end()
        self._tokens += 1
        if self._tokens > _MOST_TOKENS:
            raise errors.PasteRefused(
                f"This holds more than {_MOST_TOKENS:,} values. Paste only the one request that does not verify."
            )
        if match is None:
            raise Unreadable("something that is neither a value nor a sign, or a quote that does not end")
        return match

    def _open(self, stack: list[Frame], bracket: str) -> None:
        name, frame = None, stack[-1]
        if bracket == "(":
            self._manners.add("code")
            if frame.values:
                last = frame.values.pop()
                if not isinstance(last, Word):
                    raise Unreadable("a call of something without a name")
                name = last.text
        stack.append(Frame(bracket, name))
        if len(stack) > _DEEPEST:
            raise errors.PasteRefused(
                f"This is nested more than {_DEEPEST} levels deep. Paste the body as text in its own field."
            )

    def _close(self, stack: list[Frame], bracket: str, after_comma: bool) -> None:
        if stack[-1].opener != _CLOSERS[bracket]:
            raise Unreadable("brackets that do not match")
        stack[-1].end_entry()
        stack[-2].put(stack[-1].build(after_comma))
        stack.pop()

    def _goes_on(self, root: Frame, at: int) -> bool:
        last = root.values[-1] if root.values else None
        if isinstance(last, Word):
            return True
        following = _SIGN.match(self._text, at)
        sign = following.group(1) if following else ""
        if isinstance(last, (str, bytes)):
            return sign == "+"
        return isinstance(last, Call) and sign in {"{", "["} and all(isinstance(one, Number) for one in last.arguments)

    def _note_mark(self, frame: Frame, mark: str) -> None:
        if mark != ":":
            self._manners.add("Node" if mark == "=>" else "code")
        elif isinstance(frame.key, Word) and frame.opener == "{":
            self._manners.add("Node")

    def _scalar(self, match: re.Match[str]) -> Value:
        kind, text = match.lastgroup, match.group()
        if kind == "string":
            return self._string(match)
        if kind == "number":
            return Number(text)
        if kind == "word":
            if text in _CONSTANTS:
                self._manners.add("Python" if text[0].isupper() else "null")
                return _CONSTANTS[text]
            self._manners.add("Node" if text == "undefined" else "code")
            return Word(text)
        self._manners.add("Node" if kind != "opaque" else "code")
        if kind == "hex":
            shown = bytes.fromhex(match["digits"])
            self._cut += [shown] if match["more"] else []
            return shown
        return Word(text if kind != "opaque" else self._skip_opaque(match.start()))

    def _string(self, match: re.Match[str]) -> Value:
        text, prefix = match.group(), match["prefix"].lower()
        text = text[len(prefix) :]
        quotes = 3 if text.startswith(('"""', "'''")) and len(text) >= 6 else 1
        inside = text[quotes:-quotes]
        if prefix or quotes == 3:
            self._manners.add("Python")
        elif text[0] != '"':
            self._manners.add("code")
        if text[0] == "`" and "${" in inside:
            raise Unreadable("a template with ${...}, whose value is not in the text")
        plain = inside if "r" in prefix else unescape(text, inside)
        if "b" not in prefix:
            return plain
        try:
            return plain.encode("latin-1")
        except UnicodeEncodeError:
            raise Unreadable("a bytes literal with characters beyond one byte") from None

    def _skip_opaque(self, start: int) -> str:
        depth = 0
        for found in _ANGLE.finditer(self._text, start, start + _LONGEST_NOTE):
            self._reached = found.end()
            depth += 1 if found.group() == "<" else -1
            if depth == 0:
                return self._text[start : found.end()]
        self._reached = min(start + _LONGEST_NOTE, len(self._text))
        raise Unreadable("a note in <...> that does not end")

    def _manner(self) -> str:
        if "Node" in self._manners:
            return "Node"
        if "Python" in self._manners or "code" in self._manners:
            return "Node" if "null" in self._manners else "Python"
        return "JSON"
