"""What is said of a cluster that cannot be asked."""

import pytest

from meshregistry.kubernetes.access import Access
from meshregistry.kubernetes.client import ClusterClient, ClusterError

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("host", ["u:sword/fish@api", "u:swordfish@api:99999"])
async def test_an_address_that_is_no_url_is_not_told(host: str) -> None:
    """A slash in a password that nobody escaped is enough to make it one."""
    async with ClusterClient(Access(f"https://{host}")) as client:
        with pytest.raises(ClusterError) as told:
            await client.list_all("/api/v1/pods", {})
        with pytest.raises(ClusterError) as told_of_watch:
            await anext(client.watch("/api/v1/pods", {}, "1"))

    assert {"not a usable URL"} == {str(told.value), str(told_of_watch.value)}
