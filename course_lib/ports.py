"""Ports of this machine's own address: a free one, or why one is not."""

from __future__ import annotations

import socket

import psutil

HOST = "127.0.0.1"  # servers of this kit are for this machine only


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


def require_free(port: int) -> None:
    """Raises OSError that names the port, the program that has it, where that can be seen, and what to do."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port is free at once when its server has ended
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise OSError(
                f"port {port} of {HOST} cannot be used ({error.strerror}){_by_whom(port)}: "
                "end that program, give another port, or leave it out for a free one"
            ) from error


def _by_whom(port: int) -> str:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return f", taken by process {connection.pid} ({' '.join(psutil.Process(connection.pid).cmdline())[:120]})"
    return ""
