#!/usr/bin/env bash
# Expected: max_age=0 in a framework's call to set a cookie deletes the cookie: a Max-Age of zero has that meaning.
# Observed: Tornado, Falcon and Koa test the number for truth, so zero counts as "not given", and the line that goes
#   out keeps the cookie until the browser closes. Express, Flask, Starlette and aiohttp send Max-Age=0. With -1 Hono
#   is the one that drops it, while Tornado, Falcon and Koa then do delete the cookie.
# Why it matters: "seconds left of this session" reaches zero by itself, and a sign-out is often written as a lifetime
#   of zero. The browser then keeps what should be gone. Delete a cookie with the call that is made for it, and test
#   the header, not the call.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" tornado==6.6.1 falcon==4.4.0 \
  flask==3.1.3 starlette==0.50.0 aiohttp==3.14.5
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" koa@3.3.0 express@5.3.0 hono@4.13.19

cd "$tmp"
cat >probe.mjs <<'JS'
import http from "node:http";
import express from "express";
import { Hono } from "hono";
import { setCookie } from "hono/cookie";
import Koa from "koa";

const koa = new Koa();
koa.use((context) => {
  context.cookies.set("sid", "abc", { maxAge: Number(context.query.age) });
  context.body = "";
});
const plain = express();
plain.get("/", (request, response) => response.cookie("sid", "abc", { maxAge: Number(request.query.age) }).end());
const hono = new Hono();
hono.get("/", (context) => {
  setCookie(context, "sid", "abc", { maxAge: Number(context.req.query("age")) });
  return context.text("");
});

async function served(handler, age) {
  const server = http.createServer(handler);
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const response = await fetch(`http://127.0.0.1:${server.address().port}/?age=${age}`);
  await response.arrayBuffer();
  server.close();
  return response.headers.get("set-cookie");
}

const age = process.argv[2];
console.log(JSON.stringify({
  "koa 3.3.0": await served(koa.callback(), age),
  "express 5.3.0": await served(plain, age),
  "hono 4.13.19": (await hono.request(`/?age=${age}`)).headers.get("set-cookie"),
}));
process.exit();
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import asyncio
import json
import re
import subprocess
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from importlib.metadata import version

import falcon
import falcon.testing
import flask
from aiohttp import web
from starlette.responses import Response
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler


def by_tornado(age):
    class Handler(RequestHandler):
        def get(self):
            self.set_cookie("sid", "abc", max_age=age)

    async def fetch():
        socket, port = bind_unused_port()
        server = HTTPServer(Application([("/", Handler)]))
        server.add_socket(socket)
        response = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/")
        server.stop()
        return response.headers["Set-Cookie"]

    return asyncio.run(fetch())


def by_falcon(age):
    class Resource:
        def on_get(self, _request, response):
            response.set_cookie("sid", "abc", max_age=age)

    app = falcon.App()
    app.add_route("/", Resource())
    return falcon.testing.TestClient(app).get("/").headers["set-cookie"]


def by_flask(age):
    response = flask.Response()
    response.set_cookie("sid", "abc", max_age=age)
    return response.headers["Set-Cookie"]


def by_starlette(age):
    response = Response()
    response.set_cookie("sid", "abc", max_age=age)
    return response.headers["set-cookie"]


def by_aiohttp(age):
    response = web.Response()
    response.set_cookie("sid", "abc", max_age=age)
    return response.cookies.output(header="").strip()


def deletes(line):
    age = re.search(r"max-age=(-?\d+)", line, re.I)
    if age:
        return int(age[1]) <= 0
    expires = re.search(r"expires=([^;]+)", line, re.I)
    return bool(expires) and parsedate_to_datetime(expires[1]) < datetime.now(timezone.utc) + timedelta(seconds=1)


PYTHON = {
    f"{name} {version(name)}": globals()[f"by_{name}"]
    for name in ("tornado", "falcon", "flask", "starlette", "aiohttp")
}
for age, kept_by in ((0, {"tornado", "falcon", "koa"}), (-1, {"hono"})):
    lines = {name: write(age) for name, write in PYTHON.items()}
    run = subprocess.run(["node", "probe.mjs", str(age)], capture_output=True, text=True, check=True)
    lines.update(json.loads(run.stdout))
    print(f"a lifetime of {age}")
    for name, line in lines.items():
        gone = deletes(line)
        print(f"  {name:16} {'deleted' if gone else 'KEPT':8} {line}")
        assert gone == (name.split()[0] not in kept_by), f"{name} has changed"
PY
echo "still so: a lifetime of zero is no lifetime to three of eight"
