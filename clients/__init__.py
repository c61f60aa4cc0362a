"""Clients of a Continuo server: `requests_client`, `aiohttp_client` and `python -m clients`.

Each client module needs only its own HTTP library; neither needs anything of the server.
"""
