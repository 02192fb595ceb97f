"""Every transcript, with the pure machine and over TCP with an independent client."""

import pytest

from tests.conformance.ads import delta_transcripts, sotw_transcripts
from tests.conformance.ads.transcripts import Transcript
from tests.support.ads_rig import open_rig
from tests.support.ads_world import make_resource, make_store

pytestmark = pytest.mark.anyio

ALL = [("sotw", transcript) for transcript in sotw_transcripts.ALL]
ALL += [("delta", transcript) for transcript in delta_transcripts.ALL]


@pytest.mark.parametrize("way", ["machine", "wire"])
@pytest.mark.parametrize(("dialect", "transcript"), ALL, ids=[f"{dialect}-{case.name}" for dialect, case in ALL])
async def test_transcript(way: str, dialect: str, transcript: Transcript) -> None:
    """The answers are those of the transcript, and nothing else."""
    store = make_store(*map(make_resource, transcript.world), complete=transcript.complete)
    async with open_rig(way, dialect, store) as rig:
        for number, (act, expected) in enumerate(transcript.steps, 1):
            await act(rig)
            assert (number, expected) == (number, await rig.take())
        nonces = [answer.nonce for answer in rig.all]
        assert len(set(nonces)) == len(nonces), "nonces are unique on the stream, across types (X50 N2)"
        assert all(answer.nonce and answer.version for answer in rig.all)
