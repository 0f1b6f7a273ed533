"""uvicorn's HTTP protocol, with a problem for a request that cannot be parsed: `uvicorn --http`."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from project.api.problems import problem

UNREADABLE = (
    "The request cannot be parsed: percent-encode what is not ASCII in the address, "
    "and leave out control characters in the headers."
)


class ProblemProtocol(HttpToolsProtocol):
    """Answers an unreadable request with a problem, as every other error; uvicorn's own answer is plain text."""

    def send_400_response(self, msg: str) -> None:
        """Send the problem and close the connection."""
        response = problem(400, UNREADABLE, headers={"Connection": "close", "Cache-Control": "no-store"})
        lines = [b"HTTP/1.1 400 Bad Request", *(b"%b: %b" % header for header in response.raw_headers), b"", b""]
        self.transport.write(b"\r\n".join(lines) + bytes(response.body))
        self.transport.close()
