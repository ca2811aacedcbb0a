"""``python -m caffelungo`` is ``lungo``."""

from caffelungo.cli.main import run

if __name__ == "__main__":
    run()
