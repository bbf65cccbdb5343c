"""Where no cluster is, and how the cores of one are shared out."""

import socket
import time

import pytest

from ferboost.errors import RunError, SettingsError

pytest.importorskip("ray", reason="ray is not installed")

from ferboost import clusters
from ferboost.clusters import connected, share_cores


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("127.0.0.1:1", RunError, "there is no Ray cluster at 127.0.0.1:1: .*refused; start one"),
        ("nowhere.invalid:6379", RunError, "there is no Ray cluster at nowhere.invalid:6379: "),
        ("ray://127.0.0.1:1", SettingsError, "--ray takes HOST:PORT of a head node"),
        ("somewhere", SettingsError, "--ray takes HOST:PORT of a head node"),
        ("host:99999999", RunError, "there is no Ray cluster at host"),
    ],
)
def test_where_no_cluster_is_is_one_line_within_seconds(
    address: str, error: type[Exception], message: str
) -> None:
    start = time.monotonic()
    with pytest.raises(error, match=message) as caught, connected(address):
        pass
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 15


def test_what_listens_but_is_no_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_STATUS_SECONDS", 3)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(RunError, match=f"{address}: what listens there does not answer"):
            clusters._check_address(address)


def test_a_trial_gets_the_most_cores_that_leave_room_for_all() -> None:
    assert share_cores([8, 4], 2) == 4
    assert share_cores([8, 4], 3) == 4
    assert share_cores([1, 1], 2) == 1
    assert share_cores([2, 2], 1) == 2
    with pytest.raises(SettingsError, match="has 3 cores, too few for 4 trials at a time"):
        share_cores([2, 1], 4)
