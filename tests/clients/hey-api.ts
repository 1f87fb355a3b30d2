import { client as base } from "./generated/hey-api/client.gen";
import * as api from "./generated/hey-api/sdk.gen";
import { bearer, present, server, walk, type Client } from "./story";

base.setConfig({ baseUrl: server });

/** A call that fails returns its problem, and one that breaks the document throws. */
const client: Client = {
  async signIn(user) {
    return present((await api.signIn({ query: { user }, throwOnError: true })).data);
  },
  async sessions(token, state) {
    const { data, error } = await api.listSessions({ query: { state }, headers: bearer(token) });
    return data ?? present(error);
  },
  async rename(token, id, deviceName) {
    const { data, error } = await api.renameDevice({ path: { id }, body: { deviceName }, headers: bearer(token) });
    return data?.deviceName ?? present(error);
  },
  async revoke(token, id) {
    return present((await api.revokeSession({ path: { id }, headers: bearer(token) })).response).status;
  },
  async refresh(refreshToken) {
    return present((await api.refreshTokens({ body: { refreshToken }, throwOnError: true })).data);
  },
  async revokeAsAdministrator(adminToken, user) {
    const { data } = await api.revokeUserSessions({ path: { user }, headers: bearer(adminToken), throwOnError: true });
    return data.revoked;
  },
  async logOut(token) {
    return present((await api.logOut({ headers: bearer(token) })).response).status;
  },
};

await walk("hey-api", client);
