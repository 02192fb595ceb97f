"""The list of faults, and by what each proves that it was there."""

from typing import Final

from tests.campaign import client_faults, process_faults, registry_faults
from tests.campaign.evidence import SOURCE, Sign
from tests.campaign.fault import Fault

_FAILED: Final = Sign(f"source_failures_total source={SOURCE}")
"""Meshregistry has noticed: a reading failed, or a connection was lost."""

_UNREACHABLE: Final = Sign("gate unreachable")
_LIED: Final = Sign("gate lied")
_EMPTY: Final = Sign(f"seen {registry_faults.EMPTY}")
_HELD: Final = Sign(f"seen {registry_faults.HELD}")
_KILLED: Final = Sign("process ended -9")
_STARTED: Final = Sign("process started")
_STOPPED: Final = Sign("event_loop_lag_seconds_sum", process_faults.STOPPED_S * 0.9)
_UNREAD: Final = Sign("gate refused")
_DOUBTED: Final = Sign(f"seen {process_faults.DOUBTED}")
_STEPPED: Final = Sign(f"seen {process_faults.STEPPED}", 2)
_CUT: Final = Sign("gate cut", registry_faults.FLAPS)
_TRUNCATED: Final = Sign("gate truncated", 3)

FAULTS = (
    Fault("registry-kill", (_UNREACHABLE, _FAILED), registry_faults.kill),
    Fault("registry-pause", (_FAILED,), registry_faults.pause),
    Fault("registry-empty", (_EMPTY,), registry_faults.restart_empty),
    Fault("registry-empty-for-good", (_EMPTY, _HELD), registry_faults.stay_empty),
    Fault(
        "registry-empty-decided", (_EMPTY, _HELD, Sign("admin_requests_total command=accept")), registry_faults.decide
    ),
    Fault(
        "eureka-peer-empty",
        (_EMPTY, Sign("gate refused")),
        registry_faults.peer_empty,
        sources=frozenset({"eureka"}),
        limit="no other registry is asked by way of one of two peers that may know less than the other",
    ),
    Fault(
        "zookeeper-leader-kill",
        (Sign(f"seen {registry_faults.ELECTED}"),),
        registry_faults.leader,
        sources=frozenset({"dubbo"}),
        real=True,
        limit="the simulator is one server, which has no leader",
    ),
    Fault("partition-refuse", (Sign("gate refused"), _FAILED), registry_faults.refuse),
    Fault("partition-drop", (Sign("gate held"), _FAILED), registry_faults.drop),
    Fault("partition-flap", (_CUT,), registry_faults.flap),
    Fault("delay", (Sign("gate delayed", 10),), registry_faults.delay),
    Fault("slow-answers", (Sign("gate slowed"), _FAILED), registry_faults.slow),
    Fault("truncated-answers", (_TRUNCATED, _FAILED), registry_faults.truncate),
    Fault("endless-answers", (_LIED, _FAILED, Sign("log body longer than", kind="eureka")), registry_faults.endless),
    Fault("garbage-answers", (_LIED, _FAILED), registry_faults.garbage),
    Fault("hostile-records", (Sign(f"seen {registry_faults.LITTERED}"),), registry_faults.hostile_records),
    Fault("kill", (_KILLED, _STARTED), make_all=process_faults.kill),
    Fault("kill-dark", (_KILLED, _STARTED, _UNREAD), make_all=process_faults.kill_dark),
    Fault("kill-dark-forgetful", (_KILLED, _STARTED, _UNREAD, _DOUBTED), make_all=process_faults.kill_dark_forgetful),
    Fault("pause", (_STOPPED,), make_all=process_faults.pause),
    Fault("terminate", (Sign("process ended 0"), _STARTED), make_all=process_faults.terminate),
    Fault("clock-forward", (_STEPPED, _KILLED, _STARTED), make_all=process_faults.clock_forward),
    Fault("clock-back", (_STEPPED, _KILLED, _STARTED), make_all=process_faults.clock_back),
    Fault("disk-full", (Sign(f"seen {process_faults.UNSAVED}"),), make_all=process_faults.disk_full),
    Fault("files-exhausted", (Sign("log Too many open files"),), make_all=process_faults.files_exhausted),
    Fault("clients-500", (Sign(f"seen {client_faults.STREAMS}", client_faults.CROWD),), make_all=client_faults.crowd),
    Fault(
        "slow-readers",
        (Sign("ads_bad_requests_total reason=stalled", client_faults.SLOW),),
        make_all=client_faults.slow_readers,
    ),
    Fault("reconnect-storm", (Sign("log ads.connected", client_faults.STORMERS),), make_all=client_faults.storm),
    Fault(
        "hostile-ads",
        tuple(Sign(f"ads_bad_requests_total reason={reason}") for reason in ("flood", "limit", "protocol")),
        make_all=client_faults.hostile_ads,
    ),
    Fault(
        "hostile-http",
        (
            *(Sign(f"http_connections_cut_total reason={reason}") for reason in ("head", "too_long", "evicted")),
            *(Sign("http_connections_cut_total reason=not_reading"), Sign("log http.reader_too_slow")),
        ),
        make_all=client_faults.hostile_http,
        real=False,
        limit="the pages of eight services fit into the buffers of a connection, so that no reader needs to be put out",
    ),
)
"""In the order in which they run."""

NAMES = tuple(fault.name for fault in FAULTS)
