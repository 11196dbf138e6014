"""Grand Challenge's "invoke" interface: an image that loads its networks once and segments a case per request."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from deepisles.grandchallenge.case_desk import CaseDesk, DeskBusy

READY = "Ready: the networks are loaded."
LOADING = "The networks are being loaded."
DONE = "Done: the outputs are written."
BUSY = "A case is being segmented, and there is room for one at a time: ask again when it is done."


def make_app(desk: CaseDesk) -> FastAPI:
    """Make the web application.

    Parameters
    ----------
    desk : CaseDesk
        Where it hands the cases to.

    Returns
    -------
    FastAPI
        ``GET /health``: 200 once the networks are loaded, 503 before. ``POST /invoke``: 201 once the outputs are on
        disk, else 500 with one sentence, or 503 where no case can be taken. Never a redirect, which the platform takes
        for a failure.
    """
    app = FastAPI(redirect_slashes=False, openapi_url=None)

    @app.get("/health")
    async def tell_health() -> PlainTextResponse:
        return PlainTextResponse(READY, 200) if desk.is_open else PlainTextResponse(LOADING, 503)

    @app.post("/invoke")
    async def segment_case() -> PlainTextResponse:
        try:
            order = desk.place()
        except DeskBusy:
            return PlainTextResponse(BUSY if desk.is_open else LOADING, 503)
        sentence = await asyncio.wrap_future(order)
        return PlainTextResponse(DONE, 201) if sentence is None else PlainTextResponse(sentence, 500)

    return app
