"""The page at `/`: the files of `server/web`, and of the browser client at `/client`.

Everything is served from here and nothing from elsewhere, so the page works offline, and a strict
Content-Security-Policy holds.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles

#: Beside `server` both in a checkout and where the package is installed.
ROOT = Path(__file__).parents[2]
WEB = ROOT / "server" / "web"
CLIENT = ROOT / "clients" / "browser"

#: No inline script or style, no other origin. Media are what the page has made itself (`blob:`).
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Kept, but asked about each time (ETag): a new version of the server shows at once.
    "Cache-Control": "no-cache",
}
#: Not left to the machine's own table of media types, which may lack them or say otherwise.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}
READ = ["GET", "HEAD"]


def router() -> APIRouter:
    """The routes. Names that are no file raise the 404 of Starlette's `StaticFiles`."""
    routes = APIRouter(include_in_schema=False)
    web, client = StaticFiles(directory=WEB), StaticFiles(directory=CLIENT)

    @routes.api_route("/", methods=READ)
    async def page(request: Request) -> Response:
        return await _file(web, "index.html", request)

    @routes.api_route("/page/{path:path}", methods=READ)
    async def part(path: str, request: Request) -> Response:
        return await _file(web, path, request)

    @routes.api_route("/client/{path:path}", methods=READ)
    async def client_module(path: str, request: Request) -> Response:
        return await _file(client, path, request)

    return routes


async def _file(folder: StaticFiles, path: str, request: Request) -> Response:
    response = await folder.get_response(path, request.scope)
    response.headers.update(HEADERS)
    if response.status_code == 200 and (known := MEDIA_TYPES.get(Path(path).suffix)):
        response.headers["Content-Type"] = known
    return response
