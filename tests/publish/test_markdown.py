from pathlib import Path

from wavenet_ae.publish import markdown, terminal
from wavenet_ae.publish.document import (
    Aside,
    Card,
    Details,
    Document,
    Facts,
    Figure,
    OnPage,
    Paragraph,
    Remark,
    Section,
    SideBySide,
    Sound,
    SoundGrid,
    Table,
)


def test_a_table_aligns_text_and_numbers():
    assert markdown.table(["model", "a|b"], [("WaveNet", "79.6"), ["refused: too large"]]) == (
        "| model | a\\|b |\n| --- | ---: |\n| WaveNet | 79.6 |\n| refused: too large |  |"
    )
    assert markdown.table(["a", "b", "c"], [], 2) == "| a | b | c |\n| --- | --- | ---: |"


def test_a_terminals_table_is_aligned():
    shown = terminal.table(["family", "notes"], [["bass", "12"], ["vocal", "1,000,000"]])
    assert shown.splitlines() == [
        "family      notes",
        "bass           12",
        "vocal   1,000,000",
    ]


def test_a_document_without_its_pictures_and_sounds():
    table, sound = Table(["", "n"], [["a", "1"]], "Notes"), Sound(Path("a.wav"), "a")
    sections = [
        Section("Scores", (Remark("few"), SideBySide((Figure("<svg>"), table)))),
        Section("Empty", ()),
        Section("Sounds", (OnPage((Paragraph("listen"),)), SoundGrid([[sound]]), sound)),
        Section("Facts", (Card("Run", (Facts([("steps", "7"), ("of", "`x`")]),)),)),
        Section("More", (Details("By split", (table,)), Card("Heard", (sound,)), Aside("small"))),
    ]
    text = "Of `nsynth`, **all** notes"
    document = Document(text, (Paragraph(text),), sections, (Paragraph("end"),))
    assert markdown.render(document) == (
        """\
# Of `nsynth`, **all** notes

Of `nsynth`, **all** notes

## Scores

> few

Notes:

|  | n |
| --- | ---: |
| a | 1 |

## Facts

### Run

- steps: 7
- of: `x`

## More

### By split

Notes:

|  | n |
| --- | ---: |
| a | 1 |

small

---

end
"""
    )
