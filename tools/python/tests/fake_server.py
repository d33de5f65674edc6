# SPDX-License-Identifier: Apache-2.0
"""A server in threads that plays what a test says, and lets the referee judge what it is sent."""

import os
import queue
import socket
import struct
import tempfile
import threading
from typing import Any, Callable, Dict, List, Optional

import referee


class Peer:
    """One connection of the fake server."""

    def __init__(self, sock: socket.socket, judge: referee.Referee, number: int) -> None:
        self.socket, self.judge, self.number = sock, judge, number
        self._messages: List[Dict[str, Any]] = []
        self.skipped: List[Dict[str, Any]] = []

    def receive(self) -> Optional[Dict[str, Any]]:
        """The client's next frame; None at the end. A frame that must be refused fails the test."""
        while not self._messages:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not data:
                return None
            for message in self.judge.read(data):
                if isinstance(message, referee.Refusal):
                    raise message
                self._messages.append(message)
        return self._messages.pop(0)

    def expect(self, *opcodes: str) -> Dict[str, Any]:
        """The next frame of one of these opcodes; WINDOW and PING before it are kept in `skipped`."""
        while True:
            message = self.receive()
            assert message is not None, f"the client closed, and {opcodes} was expected"
            if message["opcode"] in opcodes:
                return message
            assert message["opcode"] in ("WINDOW", "PING", "PONG"), f"{message} instead of {opcodes}"
            self.skipped.append(message)

    def greet(self, **reply: Any) -> Dict[str, Any]:
        hello = self.expect("HELLO")
        features = {name: bit for name, bit in referee.FEATURES.items() if name in hello["features"]}
        reply.setdefault("features", sum(features.values()))
        self.judge.inflight_max = reply.get("inflight_max", 256)
        self.judge.frame_size_max = reply.get("frame_size_max", 8454144)
        self.judge.metadata_size_max = reply.get("metadata_size_max", 16384)
        self.judge.features = reply["features"]
        self.send(referee.hello_reply(**reply))
        return hello

    def send(self, *frames: bytes) -> None:
        data = b"".join(frames)
        at = 0
        while at + 16 <= len(data):
            length, _, _, flags, id = struct.unpack_from("<IBBHQ", data, at)
            if flags & 1:
                self.judge.inflight.discard(id)
            at += 16 + length
        self.socket.sendall(data)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Closes so that the client's kernel sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def drain(self) -> List[Dict[str, Any]]:
        """What still comes until the client closes."""
        rest = []
        while True:
            message = self.receive()
            if message is None:
                return rest
            rest.append(message)


class FakeServer:
    """Runs `play(peer)` for each connection in a thread of its own. On leaving, what went wrong there is raised."""

    def __init__(self, play: Callable[[Peer], None], unix: bool = False) -> None:
        self._play = play
        self._folder = tempfile.TemporaryDirectory() if unix else None
        if self._folder is not None:
            path = os.path.join(self._folder.name, "s")
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self.address = f"unix:{path}"
        else:
            self._listener = socket.socket()
            self._listener.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._listener.listen(64)
        self._threads: List[threading.Thread] = []
        self._sockets: List[socket.socket] = []
        self.problems: "queue.Queue[BaseException]" = queue.Queue()
        self.connections = 0
        self.clients: List[Any] = []  # closed before the server is

    def __enter__(self) -> "FakeServer":
        thread = threading.Thread(target=self._accept, daemon=True)
        self._threads.append(thread)
        thread.start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            peer = Peer(sock, referee.Referee(), self.connections)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        try:
            self._play(peer)
        except (ConnectionError, TimeoutError):
            pass  # the client is gone, or the server was told to go
        except OSError as error:
            if peer.socket.fileno() != -1:
                self.problems.put(error)
        except BaseException as error:  # noqa: B902 - shown to the test
            self.problems.put(error)
        finally:
            peer.socket.close()

    def stop_listening(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def __exit__(self, kind: Any, *_: Any) -> None:
        for client in self.clients:
            client.close()
        self.stop_listening()
        for thread in self._threads:
            thread.join(2)
        for sock in self._sockets:
            sock.close()
        if self._folder is not None:
            self._folder.cleanup()
        if kind is None or not self.problems.empty():
            if not self.problems.empty():
                raise self.problems.get()
            assert not any(thread.is_alive() for thread in self._threads), "the server still waits for something"
