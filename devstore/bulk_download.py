"""Serves the results of bulk operations: `/_bulk/<unguessable>.jsonl`, with Range and gzip, never held in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from devstore.bulk import BulkOperations

MEDIA_TYPE = "application/jsonl"
CHUNK = 256 * 1024
_GZIP_WINDOW = 31


def download_route(bulk: BulkOperations) -> Route:
    def download(request: Request) -> Response:
        found = bulk.result_file(request.path_params["name"])
        if found is None:
            return JSONResponse({"error": "No such object."}, status_code=404)
        path, expired = found
        if expired:
            return JSONResponse({"error": "The link has expired."}, status_code=403)
        # A part of a compressed stream is of no use to a client that resumes: ranges are always of the plain file.
        if "range" not in request.headers and _accepts_gzip(request) and request.method == "GET":
            headers = {"content-encoding": "gzip", "vary": "accept-encoding"}
            return StreamingResponse(_gzipped(path), media_type=MEDIA_TYPE, headers=headers)
        return FileResponse(path, media_type=MEDIA_TYPE, headers={"vary": "accept-encoding"})

    return Route("/_bulk/{name}.jsonl", download, methods=["GET", "HEAD"])


def _accepts_gzip(request: Request) -> bool:
    for entry in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, quality = entry.partition(";")
        if coding.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _gzipped(path: Path) -> Iterator[bytes]:
    compressor = zlib.compressobj(1, zlib.DEFLATED, _GZIP_WINDOW)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            if packed := compressor.compress(chunk):
                yield packed
    yield compressor.flush()
