"""A page as tests look at it."""

import base64
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects elements, the text of some, and tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "svg"} & set(self.open):
            self.text += " " + " ".join(data.split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def wav(uri):
    """Returns the file that a player's source holds."""
    kind, data = uri.split(",")
    assert kind == "data:audio/wav;base64"
    return base64.b64decode(data, validate=True)
