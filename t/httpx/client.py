#!/usr/bin/python3
# Copyright (C) the nginx-auth-token authors
# SPDX-License-Identifier: BSD-2-Clause

"""A client that keeps cookies and refreshes its session as the SDK of IP Fabric does.

Arguments: the URL, the file of the CA.  Standard input: user name and password, one per
line.  Prints a line of JSON for each step, with requests and responses, and finally the
tokens that no log may contain.
"""

import base64
import json
import ssl
import sys
import time

import httpx

LOGIN = "/api/v6.0/auth/login"
REFRESH = "/api/auth/token"
LOGOUT = "/api/v6.0/auth/logout"


class Session(httpx.Auth):
    """Refreshes once, with the cookies and without a body, and retries once."""

    requires_response_body = True

    def __init__(self, client):
        self.client = client

    def auth_flow(self, request):
        response = yield request

        if response.status_code != 401 or "API_EXPIRED_ACCESS_TOKEN" not in response.text:
            return

        self.client.post(REFRESH, auth=None).raise_for_status()
        request.headers["Cookie"] = "accessToken=" + self.client.cookies["accessToken"]
        yield request


class Walk:
    def __init__(self, url, ca):
        # trusts only this CA
        context = ssl.create_default_context(cafile=ca)
        self.client = httpx.Client(base_url=url, verify=context, trust_env=False, timeout=20,
                                   event_hooks={"response": [self.seen]})
        self.calls = []
        self.secrets = set()

    def seen(self, response):
        request = response.request
        cookies = [c.split("=")[0] for c in request.headers.get("Cookie", "").split("; ") if c]
        self.calls.append({
            "call": f"{request.method} {request.url.path}",
            "status": response.status_code,
            "cookies": cookies,
            "length": int(request.headers.get("Content-Length", 0)),
        })

    def step(self, name, method, path, **options):
        options.setdefault("auth", Session(self.client))
        response = self.client.request(method, path, **options)
        self.tell(name, status=response.status_code, body=response.text)

    def tell(self, name, **more):
        jar = {c.name: {"path": c.path, "secure": c.secure, "left": c.expires - time.time()}
               for c in self.client.cookies.jar}
        self.secrets |= {c.value for c in self.client.cookies.jar if c.value}
        print(json.dumps({"step": name, "calls": self.calls, "jar": jar, **more}))
        self.calls = []

    # waits for the expiry in the claims of the access token
    def await_expiry(self):
        payload = self.client.cookies["accessToken"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        while time.time() < claims["exp"]:
            time.sleep(max(0.01, claims["exp"] - time.time()))

    def start(self, user, password):
        self.step("version", "GET", "/api/version", auth=None)
        self.step("wrong", "POST", LOGIN, auth=None, json={"username": user, "password": "canary-no"})
        self.step("login", "POST", LOGIN, auth=None, json={"username": user, "password": password})
        self.step("me", "GET", "/api/v6.0/users/me")
        self.step("table", "POST", "/api/v6.0/tables/management/snapshots",
                  json={"columns": ["id", "status"], "filters": {}, "pagination": {"limit": 10, "start": 0}})
        self.step("snapshots", "GET", "/api/v6.0/snapshots")
        self.step("settings", "GET", "/api/v6.0/snapshots/12dd8c61/settings")

    def run(self, user, password):
        self.start(user, password)

        for again in ("expired", "expired again"):
            self.await_expiry()
            self.step(again, "GET", "/api/v6.0/snapshots")
            self.step("after it", "GET", "/api/v6.0/users/me")

        self.step("logout", "POST", LOGOUT, auth=None)
        self.step("after logout", "GET", "/api/v6.0/snapshots")


def main():
    url, ca = sys.argv[1:]
    user, password = (sys.stdin.readline().rstrip("\n") for _ in range(2))

    walk = Walk(url, ca)
    walk.run(user, password)
    print(json.dumps({"step": "end", "secrets": sorted(walk.secrets)}))


if __name__ == "__main__":
    main()
