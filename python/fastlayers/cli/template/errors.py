"""What can be wrong with a template."""

from __future__ import annotations

from fastlayers.cli.command import CommandError


class TemplateSyntaxError(CommandError):
    """A template that cannot be read."""

    def __init__(self, line: int, complaint: str) -> None:
        super().__init__(f"template parsing error: template: :{line}: {complaint}")


class TemplateError(CommandError):
    """A template that asks for what is not there; `at` is the part that does."""

    def __init__(self, place: str, at: str, complaint: str) -> None:
        text = f'template: :{place}: executing "" at <{at}>: {complaint}'
        super().__init__(f"template parsing error: {text}")
