"""Stores, reads, lists and transacts with the client that `openapi-python-client` generates from the document."""

import sys
from io import BytesIO
from pathlib import Path

import akvs_client
from akvs_client import Client
from akvs_client.api.many_keys import get_many, transact
from akvs_client.api.namespaces import configure_namespace, delete_namespace, list_keys, list_namespaces
from akvs_client.api.server import version
from akvs_client.api.transfer import export, import_
from akvs_client.api.values import delete_value, get_value, get_value_64, set_value
from akvs_client.models import (
    AbsentCheck,
    AddOperation,
    DeleteOperation,
    KeyName,
    Keys,
    Problem,
    RevisionCheck,
    SetOperation,
    Settings,
    TouchOperation,
    Transaction,
    WriteOperation,
)
from akvs_client.types import File

# One model for each schema: responses share theirs.
MAX_MODELS = 60
NAMESPACE = "python clients/ü"
KEY = "a key/with a slash"
VALUE = bytes(range(256))

models = list(Path(akvs_client.__file__).parent.glob("models/*.py"))
assert len(models) < MAX_MODELS, f"{len(models)} files of models"

# An answer that the document does not describe is an error.
client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
at = {"client": client, "namespace": NAMESPACE}


def file(value: bytes) -> File:
    return File(payload=BytesIO(value))


# The key does not exist yet: 404 is a described answer.
missing = get_value.sync_detailed(key=KEY, **at)
assert (missing.status_code, missing.parsed) == (404, "Not Found"), missing
assert list_keys.sync_detailed(**at).status_code == 404
assert get_many.sync_detailed(body=Keys(keys=["k"]), **at).status_code == 404
assert delete_namespace.sync_detailed(confirm=NAMESPACE, **at).status_code == 404

# Values.
stored = set_value.sync_detailed(key=KEY, body=file(VALUE), **at)
assert (stored.status_code, stored.parsed) == (201, "Created"), stored
found = get_value.sync_detailed(key=KEY, **at)
assert found.parsed.payload.read() == VALUE, found
assert found.headers["ETag"] == stored.headers["ETag"], found
assert get_value_64.sync(key64="YSBrZXkvd2l0aCBhIHNsYXNo", **at).payload.read() == VALUE
part = get_value.sync_detailed(key=KEY, range_="bytes=1-2", **at)
assert (part.status_code, part.parsed.payload.read()) == (206, b"\1\2"), part
again = set_value.sync_detailed(key=KEY, body=file(b""), if_none_match="*", **at)
assert again.status_code == 412 and isinstance(again.parsed, Problem), again
assert again.parsed.code == "precondition_failed" and again.parsed.revision > 0, again
total = set_value.sync_detailed(key="sum", body=file(b"41"), op=WriteOperation.ADD, **at)
assert (total.status_code, total.parsed) == (200, "41"), total
touched = set_value.sync_detailed(key="sum", op=WriteOperation.TOUCH, ttl="1h", **at)
assert (touched.status_code, touched.parsed) == (200, "OK"), touched
wrong = set_value.sync_detailed(key="sum", body=file(b""), ttl="soon", **at)
assert wrong.status_code == 400 and wrong.parsed.code == "invalid_request", wrong

# Lists.
page = list_keys.sync(limit=1, values=True, **at)
assert [item.key for item in page.items] == [KEY] and page.cursor, page
assert page.items[0].size == len(VALUE) and page.items[0].value64, page
page = list_keys.sync(cursor=page.cursor, values=True, **at)
assert [(item.key, item.value) for item in page.items] == [("sum", "41")] and page.cursor is None, page
names = list_namespaces.sync(client=client, prefix="python")
assert [(one.name, one.keys) for one in names.namespaces] == [(NAMESPACE, 2)], names

# Transactions.
revision = page.items[0].revision
body = Transaction(
    checks=[AbsentCheck(key="new", absent=True), RevisionCheck(key="sum", revision=revision)],
    ops=[
        SetOperation(op="set", key="new", value="v", ttl=60, content_type="text/plain"),
        DeleteOperation(op="delete", key64="YSBrZXkvd2l0aCBhIHNsYXNo"),
        AddOperation(op="add", key="sum", by=1),
    ],
)
done = transact.sync(body=body, **at)
assert [one.existed for one in done.results] == [False, True, True], done
assert done.results[2].value == "42" and done.revision > revision, done
failed = transact.sync_detailed(body=body, **at)
assert failed.status_code == 412 and failed.parsed.code == "precondition_failed", failed
touch = Transaction(ops=[TouchOperation(op="touch", key="new")])
assert transact.sync(body=touch, **at).results[0].existed
items = get_many.sync(body=Keys(keys=["new", KeyName(key64="c3Vt"), "none"]), **at).items
assert [item and item.value for item in items] == ["v", "42", None], items

# An export can be imported.
lines = export.sync(**at).payload.read()
assert lines.count(b"\n") == 4, lines
assert delete_value.sync(key="new", **at) == "OK"
report = import_.sync(body=file(lines), **at)
assert (report.imported, report.errors) == (2, []), report

# Namespaces.
settings = configure_namespace.sync_detailed(body=Settings(ttl="1h", max_keys=5), **at)
assert settings.status_code == 200 and settings.parsed.settings.max_keys == 5, settings
assert delete_namespace.sync(prefix="n", **at) == '{"deleted":1}'
assert delete_namespace.sync(confirm=NAMESPACE, **at) == "OK"
assert version.sync(client=client).limits["max_key_bytes"] == 1024
