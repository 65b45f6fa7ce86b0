"""What schemathesis cannot know: how the body of an import is written, and which bodies are right."""

import hashlib
import json

import schemathesis
from hypothesis import strategies as st

NDJSON = "application/x-ndjson"
NAMES = st.sampled_from(["n", "r1", "ü", "%"])
RECORDS = st.fixed_dictionaries(
    {"key": st.text(min_size=1, max_size=20), "value": st.text(max_size=50)},
    optional={
        "content_type": st.sampled_from(["text/plain", "image/png"]),
        "expires": st.sampled_from(["2001-01-31T23:59:59.999Z", "2999-01-31T23:59:59.999Z"]),
        "revision": st.integers(min_value=0, max_value=2**64 - 1),
    },
)


def line(members: dict) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode() + b"\n"


def ended(text: bytes, records: int) -> bytes:
    digest = hashlib.sha256(text).hexdigest()
    return text + line({"end": True, "count": records, "sha256": digest})


def of_one(name: str, records: list) -> bytes:
    first = line({"akvs": 1, "namespace": name, "revision": 7})
    return ended(first + b"".join(map(line, records)), len(records))


def of_all(namespaces: dict) -> bytes:
    text = line({"akvs": 1, "namespaces": len(namespaces), "revision": 7})
    for name, records in namespaces.items():
        text += line({"namespace": name, "revision": 7, "settings": {}})
        text += b"".join(map(line, records))
    return ended(text, sum(map(len, namespaces.values())))


LISTS = st.lists(RECORDS, max_size=5)
EXPORTS = st.builds(of_one, NAMES, LISTS) | st.builds(of_all, st.dictionaries(NAMES, LISTS, max_size=3))
# Some are cut off, and some are no exports at all.
BODIES = EXPORTS | st.builds(lambda text, cut: text[: cut % len(text)], EXPORTS, st.integers(0, 1000)) | st.binary()

schemathesis.openapi.media_type(NDJSON, BODIES)


@schemathesis.serializer(NDJSON)
def as_it_is(ctx, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()
