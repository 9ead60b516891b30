"""lmdeploy's command line, for its PyTorch backend: `python -m course_lib.lmdeploy_main serve api_server FOLDER …`."""

from course_lib.lmdeploy_config import register

register()  # not below: the processes that the server starts import this module under another name

if __name__ == "__main__":
    from lmdeploy.cli import run

    run()
