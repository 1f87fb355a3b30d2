#!/usr/bin/env bash
# Expected: a client generated for oneOf with a discriminator builds the class that the discriminator names.
# Observed: openapi-python-client ignores the discriminator and tries the classes in the order of the document. Members
#   that a class does not know go to additional_properties, so the first one takes everything whose required members
#   are there: {"kind": "ended"} becomes an Active. datamodel-code-generator builds an Ended, and the types of
#   openapi-typescript tell the two apart.
# Why it matters: isinstance(state, Active) is true for a session that has ended, and its reason is None. Such a client
#   is right only if each class requires a member that the others lack, or pins `kind` with const.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" openapi-python-client==0.29.1 \
  datamodel-code-generator==0.89.0 httpx==0.28.1 attrs==26.1.0

cd "$tmp"
cat >generate.py <<'PY'
import json
import sys


def document(pinned):
    def kind(value):
        return {"type": "string", "const": value} if pinned else {"type": "string"}

    def answer(name):
        return {"description": "ok", "content": {"application/json": {"schema": ref(name)}}}

    def ref(name):
        return {"$ref": f"#/components/schemas/{name}"}

    states = {"active": "Active", "ended": "Ended"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "sessions", "version": "1"},
        "paths": {"/state": {"get": {"operationId": "getState", "responses": {"200": answer("State")}}}},
        "components": {
            "schemas": {
                "Active": {
                    "type": "object",
                    "required": ["kind"],
                    "properties": {"kind": kind("active"), "until": {"type": "string", "format": "date-time"}},
                },
                "Ended": {
                    "type": "object",
                    "required": ["kind"],
                    "properties": {"kind": kind("ended"), "reason": {"type": "string"}},
                },
                "State": {
                    "oneOf": [ref(name) for name in states.values()],
                    "discriminator": {
                        "propertyName": "kind",
                        "mapping": {kind: f"#/components/schemas/{name}" for kind, name in states.items()},
                    },
                },
            }
        },
    }


for name, pinned in (("plain", False), ("pinned", True)):
    with open(f"{name}.json", "w") as file:
        json.dump(document(pinned), file)
PY
export PYTHONPATH="$tmp/lib" PATH="$tmp/lib/bin:$PATH"
python3 generate.py
for name in plain pinned; do
  python3 -m openapi_python_client generate --path "$name.json" --output-path "$name" --meta none >/dev/null
done
python3 -W ignore -m datamodel_code_generator --input plain.json --output models.py \
  --output-model-type pydantic_v2.BaseModel 2>/dev/null

python3 - <<'PY'
import importlib
import json
from importlib.metadata import version

import httpx
import models

ENDED = {"kind": "ended", "reason": "revoked"}


def fetched(package):
    client = importlib.import_module(package).Client(
        "http://sessions.example",
        httpx_args={"transport": httpx.MockTransport(lambda _request: httpx.Response(200, json=ENDED))},
    )
    return importlib.import_module(f"{package}.api.default.get_state").sync(client=client)


plain, pinned = fetched("plain"), fetched("pinned")
print("the server says:", json.dumps(ENDED))
print(f"openapi-python-client {version('openapi-python-client')}: {plain}")
print(f"  with const: {pinned}")
other = models.State.model_validate(ENDED).root
print(f"datamodel-code-generator {version('datamodel-code-generator')}: {other!r}")
assert type(other).__name__ == "Ended"
assert type(pinned).__name__ == "Ended", "const no longer helps"
assert type(plain).__name__ == "Active", "the discriminator counts now"
assert plain.additional_properties == {"reason": "revoked"}
PY
echo "still so: an ended session is an Active"
