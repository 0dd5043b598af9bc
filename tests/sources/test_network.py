"""Patience with remote files: tries and waits, what is final, files that rest, tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plantation_rwa.sources import network
from plantation_rwa.sources.network import Patience, RemoteError, Tokens, persist, plain, status_of
from tests.loopback import ALWAYS, LoopbackServer, Rule

URL = "https://user:word@store.example:8443/tiles/B04.tif?sig=SECRET#part"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Waits that were asked for; nobody waits."""
    asked: list[float] = []
    monkeypatch.setattr(network.time, "sleep", asked.append)
    network.UNREADABLE.clear()
    yield asked
    network.UNREADABLE.clear()


def failing(times: int, status: int | None = 503) -> Callable[[], str]:
    """An action that fails so often and then succeeds."""
    left = iter(range(times))

    def action() -> str:
        if next(left, None) is not None:
            raise RemoteError("B04.tif: cannot be read: busy", status)
        return "pixels"

    return action


def test_a_failure_that_passes_is_waited_out(waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    assert persist(URL, failing(3), patience=Patience(first_s=2.0, longest_s=6.0)) == "pixels"
    assert len(waits) == 3
    for wait, middle in zip(waits, (2.0, 4.0, 6.0), strict=True):
        assert 0.5 * middle <= wait <= 1.5 * middle
    assert caplog.text.count("https://store.example:8443/tiles/B04.tif: try ") == 3
    assert "SECRET" not in caplog.text
    assert "word" not in caplog.text


def test_waits_are_spread(waits: list[float]) -> None:
    for _ in range(40):
        persist(URL, failing(1), patience=Patience(first_s=1.0))
    assert len(set(waits)) == 40
    assert max(waits) - min(waits) > 0.5


def test_tries_are_bounded(waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RemoteError, match=r"^B04.tif: cannot be read: busy$") as caught:
        persist(URL, failing(9), patience=Patience(tries=4))
    assert caught.value.status == 503
    assert len(waits) == 3
    assert "given up after 4 of 4 tries" in caplog.text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_answers_that_stay_are_final(status: int, waits: list[float]) -> None:
    with pytest.raises(RemoteError):
        persist(URL, failing(9, status), patience=Patience())
    assert waits == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, None])
def test_answers_that_pass_are_not(status: int | None) -> None:
    assert persist(URL, failing(1, status), patience=Patience()) == "pixels"


def test_a_refusal_is_not_final_once_access_was_renewed() -> None:
    met: list[RemoteError] = []

    def renew(error: RemoteError) -> bool:
        met.append(error)
        return True

    assert persist(URL, failing(2, 403), patience=Patience(), mend=renew) == "pixels"
    assert [e.status for e in met] == [403, 403]
    with pytest.raises(RemoteError):
        persist(URL, failing(2, 404), patience=Patience(), mend=renew)


def test_a_file_that_was_given_up_rests_and_is_then_tried_once(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(network.time, "monotonic", lambda: now[0])
    patience = Patience(tries=3, rest_s=60.0)
    with pytest.raises(RemoteError):
        persist(URL, failing(3), patience=patience)
    with pytest.raises(RemoteError, match="busy"):
        persist(URL, failing(0), patience=patience)  # rests: not even asked
    now[0] += 61.0
    waits.clear()
    with pytest.raises(RemoteError):
        persist(URL, failing(1), patience=patience)
    assert waits == []
    now[0] += 61.0
    assert persist(URL, failing(0), patience=patience) == "pixels"
    assert persist(URL, failing(2), patience=patience) == "pixels"  # as if nothing had been


def test_an_error_of_another_kind_is_passed_on_at_once(waits: list[float]) -> None:
    def action() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        persist(URL, action, patience=Patience())
    assert waits == []


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("HTTP response code: 503", 503),
        ("HTTP response code on http://h/a.tif: 429", 429),
        ("HTTP response code: 404 - Failure writing output to destination", 404),
        ("HTTP Error 403: Forbidden", 403),
        ("CPLE_AppDefined:Request for 556-86400 failed with response_code=403", 403),
        ("CPLE_AppDefined:Request for 556-86400 failed with response_code=206", None),
        ("CURL error: Recv failure: Connection reset by peer", None),
        ("'/vsicurl/http://h/2024/404.tif' not recognized as being in a supported file format.", None),
    ],
)
def test_status_of_an_error_text(text: str, status: int | None) -> None:
    assert status_of(text) == status


def test_plain_url() -> None:
    assert plain(URL) == "https://store.example:8443/tiles/B04.tif"
    assert plain("s3://eodata/a/B04.jp2") == "s3://eodata/a/B04.jp2"


@pytest.mark.server
def test_a_token_service_that_is_busy_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "KEY")
    with LoopbackServer(tmp_path, (Rule("status", "/token/*", times=2),)) as server:
        tokens = Tokens(f"{server.url}/token")
        first = tokens.token("account/container", Patience())
        assert "sig=SECRET1" in first
        assert tokens.token("account/container", Patience()) == first
        tokens.drop("account/container", "another")
        assert tokens.token("account/container", Patience()) == first
        tokens.drop("account/container", first)
        assert "sig=SECRET2" in tokens.token("account/container", Patience())
        assert server.counts.methods["GET"] == 4
        assert {h.get("Ocp-Apim-Subscription-Key") for h in server.counts.heads} == {"KEY"}


@pytest.mark.server
def test_a_token_service_that_stays_away_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with LoopbackServer(tmp_path, (Rule("status", "/token/*", times=ALWAYS),)) as server:
        with pytest.raises(RemoteError, match="HTTP 503"):
            Tokens(f"{server.url}/token").token("account/container", Patience())
        assert server.counts.methods["GET"] == Patience().tries
        assert f"{server.url}/token/account/container: given up" in caplog.text
