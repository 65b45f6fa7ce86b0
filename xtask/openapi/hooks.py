"""Bodies of imports for schemathesis, which knows neither their media type nor their checksum."""

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


def with_end(text: bytes, records: int) -> bytes:
    digest = hashlib.sha256(text).hexdigest()
    return text + line({"end": True, "count": records, "sha256": digest})


def export_of_one(name: str, records: list) -> bytes:
    first = line({"akvs": 1, "namespace": name, "revision": 7})
    return with_end(first + b"".join(map(line, records)), len(records))


def export_of_all(namespaces: dict) -> bytes:
    text = line({"akvs": 1, "namespaces": len(namespaces), "revision": 7})
    for name, records in namespaces.items():
        text += line({"namespace": name, "revision": 7, "settings": {}})
        text += b"".join(map(line, records))
    return with_end(text, sum(map(len, namespaces.values())))


LISTS = st.lists(RECORDS, max_size=5)
EXPORTS = st.builds(export_of_one, NAMES, LISTS) | st.builds(export_of_all, st.dictionaries(NAMES, LISTS, max_size=3))
# Some are truncated, and some are not exports.
BODIES = EXPORTS | st.builds(lambda text, cut: text[: cut % len(text)], EXPORTS, st.integers(0, 1000)) | st.binary()

schemathesis.openapi.media_type(NDJSON, BODIES)


@schemathesis.serializer(NDJSON)
def unchanged(ctx, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()
