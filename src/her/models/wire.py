"""The wire to an OpenAI-compatible server: the openai SDK on aiohttp, patience, and faults in HER's own words.

Knows HTTP, server-sent events and retries; refuses to know prompts and replies.
Importing it takes half a second (the SDK), so `endpoint` imports it when the first call is made.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import httpx2
import openai

from her.errors import (
    BadAnswer,
    ContextOverflow,
    HerError,
    InputError,
    RateLimited,
    Refused,
    ServerFault,
    TimedOut,
    Unreachable,
)
from her.models.servers import Missing

MAX_WAIT = 60.0
"""Seconds that all the pauses of one call may take together; beyond them the person should decide."""
FIRST_WAIT = 0.5
"""Seconds before the first retry where the server names none; doubled each time."""
CONNECT_WAIT = 10.0
"""Seconds to wait for a connection, where the idle timeout is longer."""

_OVERFLOW = re.compile(
    r"context[ _](length|size|window)|exceed_context|max_model_len|prompt is too long|too many tokens", re.IGNORECASE
)
_FAULTS = (openai.APIError, aiohttp.ClientError, TimeoutError, ValueError)
"""What the SDK lets through; its JSON and UTF-8 errors are ValueErrors."""

T = TypeVar("T")


@dataclass(slots=True)
class _Line:
    """What belongs to one event loop."""

    sdk: openai.AsyncOpenAI
    keeper: AsyncGenerator[openai.AsyncOpenAI]
    gate: asyncio.Lock = field(default_factory=asyncio.Lock)


class Wire:
    """One server, from any number of event loops one after the other; each gets a client of its own."""

    def __init__(self, base: str, key: str | None, timeout: float, retries: int) -> None:
        self.base = base
        self._key = key
        self._timeout = timeout
        self._retries = retries
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}

    async def get(self, url: str) -> Any:
        """The JSON at a URL, absolute or under the base."""
        sdk = (await self._line()).sdk
        return self._json(await self._patiently(lambda: sdk.get(url, cast_to=httpx2.Response)))

    async def post(self, url: str, body: dict[str, Any]) -> Any:
        """The JSON that answers a body."""
        sdk = (await self._line()).sdk
        return self._json(await self._patiently(lambda: sdk.post(url, cast_to=httpx2.Response, body=body)))

    async def events(self, url: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The server-sent events that answer a body, as they come; raises a HerError wherever the stream breaks."""
        sdk = (await self._line()).sdk
        kind = openai.AsyncStream[object]
        stream = await self._patiently(lambda: sdk.post(url, cast_to=object, body=body, stream=True, stream_cls=kind))
        try:
            if "event-stream" not in stream.response.headers.get("content-type", ""):
                raise self._garbled(await _head(stream.response.aiter_bytes()))
            async for event in stream:
                if not isinstance(event, dict):
                    raise self._garbled(str(event))
                yield event
        except _FAULTS as error:
            raise self._fault(error) from None
        finally:
            await stream.close()

    async def gate(self) -> asyncio.Lock:
        """A lock of the running loop, for what should be asked once."""
        return (await self._line()).gate

    async def close(self) -> None:
        """Closes the running loop's connections; those of a loop that has ended were closed when it ended."""
        line = self._lines.pop(asyncio.get_running_loop(), None)
        if line:
            await line.keeper.aclose()

    async def _line(self) -> _Line:
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            self._lines = {old: line for old, line in self._lines.items() if not old.is_closed()}
            keeper = self._keep()
            self._lines[loop] = _Line(await anext(keeper), keeper)
        return self._lines[loop]

    async def _keep(self) -> AsyncGenerator[openai.AsyncOpenAI]:
        """A client, closed with its loop: `asyncio.run` closes every generator that is still open at its end."""
        timeout = httpx2.Timeout(self._timeout, connect=min(CONNECT_WAIT, self._timeout), pool=None)
        client = openai.AsyncOpenAI(
            base_url=self.base,
            # Never None: the SDK would send the environment's key to whatever server this is.
            api_key=self._key or "none",
            # Retries are counted here, where their pauses are bounded together.
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAioHttpClient(timeout=timeout),
        )
        try:
            yield client
        finally:
            await client.close()

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's result, asked for again where patience helps."""
        waited = 0.0
        for attempt in range(self._retries + 1):
            try:
                return await call()
            except _FAULTS as error:
                pause = _pause(error, attempt)
                if pause is None or attempt == self._retries or waited + pause > MAX_WAIT:
                    raise self._fault(error) from None
            await asyncio.sleep(pause)
            waited += pause
        raise AssertionError("the last attempt returns or raises")

    def _json(self, response: httpx2.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise self._garbled(response.text) from None

    def _fault(self, error: Exception) -> HerError:
        """The error in HER's words; the SDK's says "timed out" of every broken connection, its causes know better."""
        if isinstance(error, openai.APIStatusError):
            return self._status(error)
        chain = list(_causes(error))
        reason = self._clean(str(chain[-1]) or type(chain[-1]).__name__)
        if _any(chain, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Unreachable(
                f"nobody answers at {self.base} ({reason}); is the server running? Test it: curl {self.base}/models"
            )
        if _any(chain, aiohttp.ServerTimeoutError, TimeoutError):
            return TimedOut(f"{self.base} said nothing for {self._timeout:g} s; a longer timeout may help")
        if _any(chain, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            return ServerFault(f"{self.base} broke the connection ({reason}); its log may say why")
        if isinstance(error, json.JSONDecodeError):
            return self._garbled(error.doc)
        if isinstance(error, openai.APIConnectionError | openai.APIResponseValidationError | aiohttp.ClientError):
            return self._garbled(reason)
        if isinstance(error, openai.APIError):
            return self._overflow(error.message) or ServerFault(f"{self.base} failed: {self._clean(error.message)}")
        return self._garbled(reason)

    def _status(self, error: openai.APIStatusError) -> HerError:
        """The error of an answer with a status of 400 or more."""
        status, said = error.status_code, self._clean(_message(error))
        if status in (401, 403):
            return Refused(
                f"{self.base} refuses the request ({status}: {said}); "
                f"give {'another' if self._key else 'a'} key with --key, in HER_KEY, or by `her models key`"
            )
        if status == 404:
            return Missing(f"{self.base} knows no such model or path (404: {said})")
        if status == 429:
            after = _retry_after(error.response.headers)
            when = f"in {after:g} s" if after is not None else "later"
            return RateLimited(f"{self.base} asks for patience (429: {said}); try again {when}", after)
        if status >= 500:
            return ServerFault(f"{self.base} failed ({status}: {said}); its log may say why")
        return self._overflow(_message(error)) or InputError(f"{self.base} cannot use the request ({status}: {said})")

    def _overflow(self, message: str) -> ContextOverflow | None:
        if not _OVERFLOW.search(message):
            return None
        return ContextOverflow(f"the prompt does not fit the window of {self.base}: {self._clean(message)}")

    def _garbled(self, text: str) -> BadAnswer:
        return BadAnswer(f"{self.base} answered something that is not in the protocol: {self._clean(text)!r}")

    def _clean(self, text: str) -> str:
        """The first 200 characters, without the key should the server have repeated it."""
        return (text.replace(self._key, "***") if self._key else text)[:200]


def _pause(error: Exception, attempt: int) -> float | None:
    """Seconds to wait before asking again; None where that would not help."""
    wait = FIRST_WAIT * 2**attempt
    if isinstance(error, openai.APIStatusError):
        again = error.status_code == 429 or error.status_code >= 500
        after = _retry_after(error.response.headers)
        return (wait if after is None else after) if again else None
    # A kept connection that the server had closed in the meantime; not one that could never be made.
    broken = _any(list(_causes(error)), aiohttp.ServerDisconnectedError, ConnectionResetError)
    return wait if broken else None


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds that the server asks to wait (RFC 9110 10.2.3: a number or a date); None where it does not say."""
    said = headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        date = email.utils.parsedate_tz(said)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _message(error: openai.APIStatusError) -> str:
    """What the server said, out of the shapes that servers use."""
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("error") or body.get("detail") or body
    return str(body or error.response.reason_phrase)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause:
        yield cause
        cause = cause.__cause__


def _any(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(error, kinds) for error in chain)


async def _head(chunks: AsyncIterator[bytes]) -> str:
    """The first few hundred bytes of a body as text."""
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) > 800:
            break
    return head.decode(errors="replace")
