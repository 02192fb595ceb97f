"""A service that only registries know: answers HTTP, registers itself at Nacos and Eureka, and keeps its leases."""

import http.server
import json
import os
import socket
import threading
import time
import urllib.parse
import urllib.request

NACOS = os.environ.get("NACOS", "")
EUREKA = os.environ.get("EUREKA", "")
PORT = int(os.environ.get("PORT", "8080"))
ADDRESS = os.environ.get("ADDRESS") or socket.gethostbyname(socket.gethostname())
BEAT_S = 5


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers every GET with the host that was asked for."""

    def do_GET(self) -> None:
        """Answer."""
        body = f"{self.headers['Host']} answered by {ADDRESS}:{PORT}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def send(method: str, url: str, body: bytes | None = None) -> None:
    """Send one request; raises OSError when it is refused."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=5):
        pass


def register_at_nacos() -> None:
    """Register `orders` as persistent, which needs no heartbeat."""
    query = urllib.parse.urlencode({"serviceName": "orders", "ip": ADDRESS, "port": PORT, "ephemeral": "false"})
    send("POST", f"{NACOS}/nacos/v1/ns/instance?{query}")


def register_at_eureka() -> None:
    """Register `payments`; saying it again renews the lease."""
    instance = {
        "instanceId": f"{ADDRESS}:payments:{PORT}",
        "hostName": ADDRESS,
        "app": "PAYMENTS",
        "ipAddr": ADDRESS,
        "status": "UP",
        "vipAddress": "payments",
        "port": {"$": PORT, "@enabled": "true"},
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
    }
    send("POST", f"{EUREKA}/apps/PAYMENTS", json.dumps({"instance": instance}).encode())


def keep_registered() -> None:
    """Register wherever a registry is named, again and again."""
    wanted = [register for url, register in ((NACOS, register_at_nacos), (EUREKA, register_at_eureka)) if url]
    while True:
        for register in wanted:
            try:
                register()
            except OSError as error:
                print(f"{register.__name__}: {error}", flush=True)  # noqa: T201 - a program of its own
        time.sleep(BEAT_S)


if __name__ == "__main__":
    threading.Thread(target=keep_registered, daemon=True).start()
    http.server.ThreadingHTTPServer(("", PORT), Answer).serve_forever()
