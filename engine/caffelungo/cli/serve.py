"""`lungo serve`."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    model: Annotated[str, typer.Argument(help="An ONNX file that `lungo export` or `lungo convert` wrote.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all addresses of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free port.")] = 8080,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda. With cuda, a fallback to the CPU is an error.")
    ] = "auto",
    max_batch: Annotated[int, typer.Option(help="Maximum batch size.")] = 16,
    deadline_ms: Annotated[
        float, typer.Option(help="Maximum time a picture waits for its batch to fill, in milliseconds.")
    ] = 5.0,
    max_bytes: Annotated[int, typer.Option(help="Maximum size of a request body in bytes.")] = 16 * 2**20,
    max_pixels: Annotated[
        int, typer.Option(help="Maximum size of a picture in pixels, read from its header before decoding.")
    ] = 25_000_000,
    queue: Annotated[
        int, typer.Option(help="Maximum number of pictures in progress; further requests get status 503.")
    ] = 256,
    threads: Annotated[int, typer.Option(help="CPU threads of the net; 0: one per core.")] = 0,
    head: Annotated[str | None, typer.Option(help="Task to serve, if the file has several.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Further host name to accept in requests; * accepts any. Repeatable."),
    ] = None,
) -> None:
    """Serve a classifier over HTTP, with a page that shows which parts of a picture mattered.

    Example: [bold]lungo serve model.onnx[/], then open http://127.0.0.1:8080
    """
    from caffelungo.serving import options, server

    server.serve(
        options.ServeOptions(
            model, host, port, device, max_batch, deadline_ms, max_bytes, max_pixels, queue, threads, head,
            tuple(allow_host or ()),
        ),
        typer.echo,
    )  # fmt: skip
