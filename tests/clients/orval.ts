import * as api from "./generated/orval/client";
import * as schemas from "./generated/orval/zod";
import { bearer, walk, type Client } from "./story";

const client: Client = {
  async signIn(user) {
    return schemas.SignInResponse.parse((await api.signIn({ user })).data);
  },
  async sessions(token, state) {
    const answer = await api.listSessions({ state }, { headers: bearer(token) });
    return answer.status === 200 ? schemas.ListSessionsResponse.parse(answer.data) : answer.data;
  },
  async rename(token, id, deviceName) {
    const body = schemas.RenameDeviceBody.parse({ deviceName });
    const answer = await api.renameDevice(id, body, { headers: bearer(token) });
    return answer.status === 200 ? schemas.RenameDeviceResponse.parse(answer.data).deviceName : answer.data;
  },
  async revoke(token, id) {
    return (await api.revokeSession(id, { headers: bearer(token) })).status;
  },
  async refresh(refreshToken) {
    return schemas.RefreshTokensResponse.parse((await api.refreshTokens({ refreshToken })).data);
  },
  async revokeAsAdministrator(adminToken, user) {
    const answer = await api.revokeUserSessions(user, { headers: bearer(adminToken) });
    return schemas.RevokeUserSessionsResponse.parse(answer.data).revoked;
  },
  async logOut(token) {
    return (await api.logOut(undefined, { headers: bearer(token) })).status;
  },
};

await walk("orval", client);
