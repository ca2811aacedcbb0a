"""`lungo serve`."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    model: Annotated[str, typer.Argument(help="An ONNX file that `lungo export` or `lungo convert` wrote.")],
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes any that is free.")] = 8080,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda; cuda never falls back to the CPU silently.")] = "auto",
    max_batch: Annotated[int, typer.Option(help="Most pictures that go through the net together.")] = 16,
    deadline_ms: Annotated[float, typer.Option(help="How long a picture waits for others, in milliseconds.")] = 5.0,
    max_bytes: Annotated[int, typer.Option(help="Largest body of a request.")] = 16 * 2**20,
    max_pixels: Annotated[int, typer.Option(help="Largest picture, read in its header before decoding.")] = 25_000_000,
    queue: Annotated[int, typer.Option(help="Pictures in the house at once; more are told to come again.")] = 256,
    threads: Annotated[int, typer.Option(help="Threads of the net on the CPU; 0 takes as many as cores.")] = 0,
    head: Annotated[
        str | None, typer.Option(help="Of a file that answers for several tasks: the one to serve.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name that requests may ask for (Host) beside this machine's; * allows any. Repeatable."),
    ] = None,
) -> None:
    """Serve a classifier over HTTP, with a page that shows what the net looked at.

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
