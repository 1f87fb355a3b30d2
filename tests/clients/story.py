"""The same story in Python: two sign-ins, a list, a name, a sign-out from afar, a renewal, and the end."""

import os

from generated.python import AuthenticatedClient, Client
from generated.python.api.device_sessions import list_sessions, log_out, refresh_tokens, rename_device, revoke_session
from generated.python.api.device_sessions_administration import revoke_user_sessions
from generated.python.api.sign_in import sign_in
from generated.python.models import (
    DeviceSessionEndReason,
    DeviceSessionProblem,
    DeviceSessionProblemCode,
    DeviceSessionRefresh,
    DeviceSessionRename,
    ListSessionsState,
)

SERVER = os.environ["SERVER"]
anonymous = Client(base_url=SERVER)


def signed_in(tokens):
    return AuthenticatedClient(base_url=SERVER, token=tokens.token)


laptop, phone = (sign_in.sync(client=anonymous, user="python") for _ in range(2))
here = signed_in(laptop)

listed = list_sessions.sync(client=here)
assert [session.is_current for session in listed] == [True, False], listed
assert str(listed[0].id) == str(laptop.session_id)

renamed = rename_device.sync(client=here, id=phone.session_id, body=DeviceSessionRename(device_name="My phone"))
assert renamed.device_name == "My phone"
wrong = rename_device.sync(client=here, id=phone.session_id, body=DeviceSessionRename(device_name="a\x07b"))
assert wrong.code == DeviceSessionProblemCode.INVALID_DEVICE_NAME

assert revoke_session.sync_detailed(client=here, id=phone.session_id).status_code == 204
refused = list_sessions.sync(client=signed_in(phone))
assert isinstance(refused, DeviceSessionProblem) and refused.reason == DeviceSessionEndReason.REVOKED_BY_USER, refused
ended = list_sessions.sync(client=here, state=ListSessionsState.ENDED)
assert ended[0].end_reason == DeviceSessionEndReason.REVOKED_BY_USER

renewed = refresh_tokens.sync(client=anonymous, body=DeviceSessionRefresh(refresh_token=laptop.refresh_token))
assert renewed.session_id == laptop.session_id
assert log_out.sync_detailed(client=signed_in(renewed)).status_code == 204

sign_in.sync(client=anonymous, user="python")
admin = AuthenticatedClient(base_url=SERVER, token=os.environ["ADMIN_TOKEN"])
assert revoke_user_sessions.sync(client=admin, user="python").revoked == 1
print("openapi-python-client: the story is told")
