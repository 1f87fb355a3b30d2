import createClient from "openapi-fetch";
import type { paths } from "./generated/openapi-typescript";
import { bearer, present, server, walk, type Client } from "./story";

const api = createClient<paths>({ baseUrl: server });

const client: Client = {
  async signIn(user) {
    return present((await api.POST("/login", { params: { query: { user } } })).data);
  },
  async sessions(token, state) {
    const { data, error } = await api.GET("/api/sessions", { params: { query: { state } }, headers: bearer(token) });
    return data ?? present(error);
  },
  async rename(token, id, deviceName) {
    const { data, error } = await api.PATCH("/api/sessions/{id}", {
      params: { path: { id } },
      body: { deviceName },
      headers: bearer(token),
    });
    return data?.deviceName ?? present(error);
  },
  async revoke(token, id) {
    return (await api.DELETE("/api/sessions/{id}", { params: { path: { id } }, headers: bearer(token) })).response.status;
  },
  async refresh(refreshToken) {
    return present((await api.POST("/api/refresh", { body: { refreshToken } })).data);
  },
  async revokeAsAdministrator(adminToken, user) {
    const { data } = await api.DELETE("/admin/users/{user}/sessions", {
      params: { path: { user } },
      headers: bearer(adminToken),
    });
    return present(data).revoked;
  },
  async logOut(token) {
    return (await api.POST("/api/logout", { headers: bearer(token) })).response.status;
  },
};

await walk("openapi-typescript", client);
