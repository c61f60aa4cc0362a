"""Exits with 0 if the server of this container answers; for HEALTHCHECK.

It asks /health, not /ready: a model that is being downloaded is no reason for a restart.
"""

import os
import urllib.request

port = os.environ.get("API_PORT") or os.environ.get("PORT") or "5555"
urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=4).read()  # raises unless 2xx
