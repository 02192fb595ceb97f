"""The list of faults."""

from tests.campaign import client_faults, process_faults, registry_faults
from tests.campaign.fault import Fault

FAULTS = (
    Fault("registry-kill", registry_faults.kill),
    Fault("registry-pause", registry_faults.pause),
    Fault("registry-empty", registry_faults.restart_empty),
    Fault("registry-empty-for-good", registry_faults.stay_empty),
    Fault("registry-empty-decided", registry_faults.decide),
    Fault("eureka-peer-empty", registry_faults.peer_empty, sources=frozenset({"eureka"})),
    Fault("zookeeper-leader-kill", registry_faults.leader, sources=frozenset({"dubbo"}), real=True),
    Fault("partition-refuse", registry_faults.refuse),
    Fault("partition-drop", registry_faults.drop),
    Fault("partition-flap", registry_faults.flap),
    Fault("delay", registry_faults.delay),
    Fault("slow-answers", registry_faults.slow),
    Fault("truncated-answers", registry_faults.truncate),
    Fault("endless-answers", registry_faults.endless),
    Fault("garbage-answers", registry_faults.garbage),
    Fault("hostile-records", registry_faults.hostile_records),
    Fault("kill", make_all=process_faults.kill),
    Fault("kill-dark", make_all=process_faults.kill_dark),
    Fault("pause", make_all=process_faults.pause),
    Fault("terminate", make_all=process_faults.terminate),
    Fault("clock-forward", make_all=process_faults.clock_forward),
    Fault("clock-back", make_all=process_faults.clock_back),
    Fault("disk-full", make_all=process_faults.disk_full),
    Fault("files-exhausted", make_all=process_faults.files_exhausted),
    Fault("clients-500", make_all=client_faults.crowd),
    Fault("slow-readers", make_all=client_faults.slow_readers),
    Fault("reconnect-storm", make_all=client_faults.storm),
    Fault("hostile-ads", make_all=client_faults.hostile_ads),
    Fault("hostile-http", make_all=client_faults.hostile_http),
)
"""In the order in which they run."""

NAMES = tuple(fault.name for fault in FAULTS)
