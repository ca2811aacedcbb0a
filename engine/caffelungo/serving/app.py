"""The routes: `POST /classify`, `POST /map`, `GET /`, `/model`, `/health`, `/ready`, `/metrics`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from caffelungo.errors import RunError
from caffelungo.inference.classify import TOP
from caffelungo.inference.predictions import Prediction, numbers_of, scores_of
from caffelungo.serving import bodies, web_page
from caffelungo.serving.admission import Visit
from caffelungo.serving.failures import Refused, refused
from caffelungo.serving.hosts import HostCheck
from caffelungo.serving.prometheus_metrics import CONTENT_TYPE
from caffelungo.serving.service import Service, number

Endpoint = Callable[[Request], Awaitable[Response]]
_PLAIN = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def app_of(service: Service) -> HostCheck:
    """The application over ``service``, which it starts and stops."""

    @contextlib.asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    async def health(_: Request) -> Response:
        return _json({"status": "live"})

    async def ready(_: Request) -> Response:
        return _json({"status": service.state}, 200 if service.state == "ready" else 503)

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def model(_: Request) -> Response:
        return _json(service.about())

    async def home(_: Request) -> Response:
        return Response(web_page.HTML, headers={**web_page.HEADERS, **_PLAIN})

    routes = [
        *(Route(path, _counted(service, path, work), methods=["POST"])
          for path, work in (("/classify", partial(_classify, service)), ("/map", partial(_map, service)))),
        *(Route(path, work, methods=["GET"]) for path, work in (
            ("/", home), ("/model", model), ("/health", health), ("/ready", ready), ("/metrics", metrics))),
    ]  # fmt: skip
    handlers: Any = {HTTPException: _http, Exception: _fault}
    app = Starlette(routes=routes, lifespan=living, exception_handlers=handlers)
    return HostCheck(app, service.options.allow_host, service.refused)


async def _classify(service: Service, request: Request) -> Response:
    """The classes of every picture in the request."""
    with service.admission.visit() as visit:
        body = await _body(service, request, visit, service.most_files)
        top = _top(request, body)
        visit.slots(len(body.files))
        names = [name for name, _ in body.files]
        images = await service.pictures(body.files)
        body.files.clear()  # what waits for the net need not wait with its bytes
        rows = await service.rows(images)
        found = [service.prediction(name, row, top) for name, row in zip(names, rows, strict=True)]
        return _json({"predictions": [_told(prediction) for prediction in found]})


async def _map(service: Service, request: Request) -> Response:
    """The classes of one picture, and which parts of it mattered for one of them."""
    if service.fields:
        raise refused(404, "a net that predicts numbers has no map of classes", "POST /map", "see POST /classify")
    with service.admission.visit() as visit:
        body = await _body(service, request, visit, 1)
        top = _top(request, body)
        if service.cam is None:
            visit.slots(min(service.max_batch, service.options.queue))
        (image,) = await service.pictures(body.files)
        (row,) = await service.rows([image])
        found = service.prediction(body.files[0][0], row, top)
        asked = request.query_params.get("class", body.options.get("class"))
        index = int(row.argmax()) if asked is None else number(asked, "class", 0, len(row) - 1)
        image = await service.looked_at(image)
        shown = await service.map(image, index)
        about = {"index": index, "label": service.classifier.label(index), "probability": _short(row[index])}
        return _json({**_told(found), "class": about, "map": shown.body(), "view": service.view(image)})


class Json(JSONResponse):
    """JSON of any text: half of a surrogate pair, which a client may send in a name, leaves as JSON's own escape."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _counted(service: Service, path: str, work: Endpoint) -> Endpoint:
    async def counted(request: Request) -> Response:
        started = time.monotonic()
        status = 500
        try:
            response = await work(request)
            status = response.status_code
        except Refused as error:
            status = error.status
            service.refused(error.reason)
            response = Json(error.body(), error.status, headers={**_PLAIN, **error.headers})
        except asyncio.CancelledError:  # uvicorn cancels what runs only when a second signal ends the wait
            status = 503
            response = _json({"what": "the service was stopped", "received": "a second signal",
                              "remedy": "try again when it runs"}, 503)  # fmt: skip
        except RunError as error:
            response = _json({"what": "the net could not be run", "received": str(error)[:400],
                              "remedy": "see the service's log"}, 500)  # fmt: skip
        finally:
            service.metrics.requests.labels(path, str(status)).inc()
            service.metrics.seconds.labels(path).observe(time.monotonic() - started)
        return response

    return counted


async def _body(service: Service, request: Request, visit: Visit, most: int) -> bodies.Body:
    if service.state != "ready":
        raise refused(503, "the service is not ready", service.state, "try again in 1 s", reason="not_ready",
                      headers={"Retry-After": "1"})  # fmt: skip
    visit.ask(1)
    data = await bodies.receive(request, service.options.max_bytes, visit.bytes)
    visit.slots(1)  # a body that is still on its way takes no place
    return await bodies.parse(request.headers, data, most)


def _top(request: Request, body: bodies.Body) -> int:
    return number(request.query_params.get("top", body.options.get("top", TOP)), "top", 1, 1000)


def _told(prediction: Prediction) -> dict[str, Any]:
    if prediction.numbers:
        return {"picture": prediction.name, "numbers": numbers_of(prediction)}
    given = [
        {"index": guess.index, "label": guess.label, "probability": _short(guess.probability)}
        for guess in prediction.guesses
    ]
    if prediction.scores:
        return {"picture": prediction.name, "labels": given, "scores": scores_of(prediction)}
    return {"picture": prediction.name, "classes": given}


def _short(probability: Any) -> float:
    return round(float(probability), 6)


def _json(content: Any, status: int = 200) -> Response:
    return Json(content, status, headers=_PLAIN)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow")
    remedy = f"use {allowed}" if allowed else "see GET /model, POST /classify, POST /map"
    body = {"what": error.detail, "received": f"{request.method} {request.url.path}"[:400], "remedy": remedy}
    return Json(body, error.status_code, headers={**_PLAIN, **dict(error.headers or {})})


async def _fault(request: Request, _: Exception) -> Response:
    asked = f"{request.method} {request.url.path}"[:400]
    remedy = "see the service's log, and report it"
    return _json({"what": "the service failed on this request", "received": asked, "remedy": remedy}, 500)
