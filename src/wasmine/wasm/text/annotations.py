"""The annotations of the specification's appendix that have a meaning for modules: custom sections."""

from __future__ import annotations

from wasmine.errors import MalformedText
from wasmine.wasm.text.context import Parser
from wasmine.wasm.text.cursor import Cursor
from wasmine.wasm.text.encoder import custom_section
from wasmine.wasm.text.instructions import HINT
from wasmine.wasm.text.lexer import Annotation
from wasmine.wasm.text.sections import SECTIONS, Sections

_CUSTOM = "@custom annotation"


def take_custom_sections(parser: Parser, sections: Sections) -> None:
    """Reads the annotations `@custom` before the next token."""
    for annotation in parser.take_annotations("custom"):
        content = parser.content(annotation)
        name = _read_section_name(content, annotation)
        place = _read_place(content) if content.word == "(" else ("after", "last")
        data = content.strings()
        if content.word != ")":
            raise content.error(f"{_CUSTOM}: unexpected token")
        sections.custom.setdefault(place, []).append(custom_section(name, data))


def _read_section_name(content: Cursor, annotation: Annotation) -> str:
    if not content.at_string:
        raise content.error(f"{_CUSTOM}: missing section name")
    try:
        return content.name()
    except MalformedText as error:
        message = f"{_CUSTOM}: {error.message}"
        raise content.tokens.error_at(message, annotation.starts[0], error.token) from None


def _read_place(content: Cursor) -> tuple[str, str]:
    order = content.keyword()
    if order not in ("before", "after"):
        raise content.error(f"{_CUSTOM}: malformed placement", content.position - 1)
    place = content.word
    if place not in SECTIONS and place != ("first" if order == "before" else "last"):
        raise content.error(f"{_CUSTOM}: malformed section kind")
    content.position += 1
    if content.word != ")":
        raise content.error(f"{_CUSTOM}: unexpected token")
    content.position += 1
    return order, place


def check_annotations_read(parser: Parser) -> None:
    """Raises MalformedText if an annotation with a meaning stands where it has none."""
    for found in parser.annotations.values():
        for annotation in found:
            if annotation.name in ("custom", "name"):
                message = f"misplaced @{annotation.name} annotation"
                raise parser.annotation_error(annotation, message)
            if annotation.name == HINT:
                message = f"@{HINT} annotation: not in a function"
                raise parser.annotation_error(annotation, message)
