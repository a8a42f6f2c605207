"""A server of one's own: it needs nothing but Python, and reads its model where the deployment puts it."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json"), encoding="utf-8") as f:
    MODEL = json.load(f)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):  # the probes
        self.answer({"status": "ready"})

    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        self.answer([MODEL["intercept"] + sum(a * b for a, b in zip(MODEL["coefficients"], row)) for row in rows])

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", 5001), Handler).serve_forever()
