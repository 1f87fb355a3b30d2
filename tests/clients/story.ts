// What each generated client walks through: two sign-ins, a list, a name, a sign-out from afar, a renewal, and the end.
import assert from "node:assert/strict";

export interface Tokens {
  token?: string;
  refreshToken?: string;
  sessionId: string;
  expiresAt: string;
}

export interface Session {
  id: string;
  deviceName: string;
  isCurrent: boolean;
  state: "active" | "ended";
  endReason: string | null;
}

export interface Problem {
  code: string;
  reason?: string;
}

/** What the story needs of a client. A call that is refused returns its problem. */
export interface Client {
  signIn(user: string): Promise<Tokens>;
  sessions(token: string, state?: "active" | "ended" | "all"): Promise<Session[] | Problem>;
  rename(token: string, id: string, deviceName: string | null): Promise<string | Problem>;
  revoke(token: string, id: string): Promise<number>;
  refresh(refreshToken: string): Promise<Tokens>;
  revokeAsAdministrator(adminToken: string, user: string): Promise<number>;
  logOut(token: string): Promise<number>;
}

export const server = process.env.SERVER ?? "http://127.0.0.1:3000";

export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** What is there, of what may be absent. */
export function present<T>(value: T | undefined): T {
  assert.notEqual(value, undefined);
  return value as T;
}

export async function walk(name: string, client: Client): Promise<void> {
  // A user of its own, so that clients do not meet.
  const user = name.replace(/[^a-z]/g, "").slice(0, 20);
  const laptop = await client.signIn(user);
  const phone = await client.signIn(user);
  assert.ok(new Date(laptop.expiresAt) > new Date());
  const token = present(laptop.token);

  const list = await client.sessions(token);
  assert.ok(Array.isArray(list));
  assert.equal(list.length, 2);
  assert.equal(list[0].id, laptop.sessionId);
  assert.ok(list[0].isCurrent && !list[1].isCurrent);

  assert.equal(await client.rename(token, phone.sessionId, "My phone 📱"), "My phone 📱");
  const wrong = await client.rename(token, phone.sessionId, "a\u0007b");
  assert.equal((wrong as Problem).code, "invalid_device_name");

  assert.equal(await client.revoke(token, phone.sessionId), 204);
  const refused = (await client.sessions(present(phone.token))) as Problem;
  assert.deepEqual([refused.code, refused.reason], ["session_revoked", "revoked_by_user"]);
  const ended = await client.sessions(token, "ended");
  assert.ok(Array.isArray(ended) && ended[0].endReason === "revoked_by_user");

  const next = await client.refresh(present(laptop.refreshToken));
  assert.equal(next.sessionId, laptop.sessionId);
  assert.ok(Array.isArray(await client.sessions(present(next.token))));
  assert.equal(await client.logOut(present(next.token)), 204);

  await client.signIn(user);
  assert.equal(await client.revokeAsAdministrator(present(process.env.ADMIN_TOKEN), user), 1);
  console.log(`${name}: the story is told`);
}
