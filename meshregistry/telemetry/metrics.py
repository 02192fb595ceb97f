"""Every metric, declared once.

One `Metrics` object is built by the application root and handed to the rooms; there is no global collector.
The first block keeps the names and labels of Slime's meshregistry (pkg/monitoring), so that dashboards survive
the switch; the rest tells what Slime does not: staleness, rejects, convergence, clients.
Labels are bounded: source kinds, scopes (at most 1,000 of a namespace where they are found), reasons (a closed set of
words), type kinds, dialects.
"""

import sys

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from meshregistry.telemetry.slime_names import SLIME_NAMES, SlimeAliases

_POLL_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 3, 5, 8, 10, 20, 30, 60, 90, 120)
_LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """All metrics of one process, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.labels: dict[str, tuple[str, ...]] = {}
        """Full name → names of its labels, of all that are declared here."""

        self._declare_slime_names()
        self._declare_sources()
        self._declare_store()
        self._declare_ads()
        self._declare_process()

    def tell_slime_aliases(self) -> None:
        """From now on, tell Slime's metrics under their other names, too; once."""
        self.registry.register(SlimeAliases(getattr(self, name) for name in SLIME_NAMES))

    def count_events(self, source: str, kind: str, event_type: str, number: int = 1) -> None:
        """Count changed resources as Slime does, which counts events that reached its store."""
        self.source_event_count.labels(source, kind, event_type, "true").inc(number)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(self._named(name, labels), text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(self._named(name, labels), text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(self._named(name, labels), text, labels, buckets=buckets, registry=self.registry)

    def _named(self, name: str, labels: tuple[str, ...]) -> str:
        full = f"meshregistry_{name}"
        self.labels[full] = labels
        return full

    def _declare_slime_names(self) -> None:
        self.enabled_source = self._gauge("enabled_source", "Number of enabled sources.")
        self.ready_time = self._histogram("ready_time", "Seconds until a source was ready.", _POLL_BUCKETS, "source")
        self.mcp_push_count = self._gauge("mcp_push_count", "Push rounds: commits that changed something.")
        self.polling_time = self._histogram(
            "polling_time", "Seconds of one poll round.", _POLL_BUCKETS, "source", "status"
        )
        self.pollings_count = self._gauge("pollings_count", "Poll rounds.", "source", "status")
        self.service_entry_total = self._gauge("service_entry_total", "ServiceEntries served.", "source")
        self.service_entry_creation = self._gauge("service_entry_creation", "ServiceEntries created.", "source")
        self.service_entry_update = self._gauge("service_entry_update", "ServiceEntries updated.", "source")
        self.service_entry_deletion = self._gauge("service_entry_deletion", "ServiceEntries removed.", "source")
        self.sidecar_total = self._gauge("sidecar_total", "Sidecars served.", "source")
        self.sidecar_creation = self._gauge("sidecar_creation", "Sidecars created.", "source")
        self.sidecar_update = self._gauge("sidecar_update", "Sidecars updated.", "source")
        self.sidecar_deletion = self._gauge("sidecar_deletion", "Sidecars removed.", "source")
        self.source_client_request_count = self._gauge(
            "source_client_request_count", "Requests to a registry.", "source", "status"
        )
        self.source_event_count = self._gauge(
            "source_event_count",
            "Resources of a source that changed; event_type: Added, Updated, Deleted.",
            *("source", "config_type", "event_type", "status"),
        )
        self.source_connection_status = self._gauge(
            "source_connection_status", "1 while the registry answers, 0 otherwise.", "source"
        )

    def _declare_sources(self) -> None:
        self.source_last_success = self._gauge(
            "source_last_success_timestamp_seconds", "Unix time of the last authoritative reading.", "source", "scope"
        )
        self.source_failing = self._gauge(
            "source_failing", "1 while a scope cannot be read; what was known stays.", "source", "scope"
        )
        self.source_failures = self._counter(
            "source_failures", "Readings that failed; what was known stays.", "source", "reason"
        )
        self.source_unchanged = self._counter("source_unchanged_bodies", "Answers skipped by their hash.", "source")
        self.source_bad_records = self._counter(
            "source_bad_records", "Registry records dropped alone.", "source", "reason"
        )
        self.full_fetches = self._counter(
            "source_full_fetches",
            "Complete readings by why they were made; mismatch = changes that disagreed with the registry's hash.",
            "source",
            "reason",
        )

        self.pod_failures = self._counter(
            "pod_cache_failures", "Readings of Kubernetes that failed; what was known stays.", "kind"
        )
        self.pod_bad_objects = self._counter("pod_cache_bad_objects", "Objects that could not be read.", "kind")
        self.push_connected = self._gauge("push_connected", "1 while a registry's pushes arrive.", "source", "scope")
        self.push_connections = self._counter("push_connections", "Push connections set up.", "source")
        self.subscriptions = self._gauge("subscriptions", "Services subscribed at a registry.", "source", "scope")
        self.pushes_taken = self._counter(
            "source_pushes", "Pushed service contents: changed, unchanged, unreadable.", "source", "result"
        )
        self.stale_pushes = self._counter("stale_pushes", "Pushes older than what was held.", "source")
        self.missed_events = self._counter("missed_events", "Changes that a listing showed and no push did.", "source")
        self.source_held_instances = self._gauge(
            "source_held_instances",
            "Instances that a registry does not show and its source keeps: it was away, or the loss is doubted.",
            *("source", "scope"),
        )

    def forget_source(self, kind: str) -> None:
        """Drop what is told of the scopes of a source that does not run any more."""
        for gauge in self._gauges_by_scope():
            gauge.remove_by_labels({"source": kind})

    def forget_scope(self, kind: str, scope: str) -> None:
        """Drop what is told of one scope of a source that is not read any more."""
        for gauge in self._gauges_by_scope():
            gauge.remove_by_labels({"source": kind, "scope": scope})

    def _gauges_by_scope(self) -> tuple[Gauge, ...]:
        kept = (self.source_last_success, self.source_failing, self.source_held_instances)
        return (*kept, self.push_connected, self.subscriptions)

    def _declare_store(self) -> None:
        self.rejects = self._gauge("rejects", "Endpoints and services dropped or repaired now.", "reason")
        self.refused_by_limits = self._gauge(
            "refused_by_limits",
            "Services and instances that wait for room within max_services and max_instances.",
            "source",
            "what",
        )
        self.resources = self._gauge("resources", "Resources served.", "kind")
        self.endpoints = self._gauge("endpoints", "Endpoints served.")
        self.held_services = self._gauge("held_services", "Services kept by the guard now.", "rule")
        self.held_endpoints = self._gauge(
            "held_endpoints", "Endpoints served although their registry no longer names them: held shrinks."
        )
        self.held_shrinks = self._gauge("held_shrinks", "Held shrinks that wait for time or an operator, freezes too.")
        self.frozen = self._gauge("frozen_targets", "What operators have frozen: scopes, sources or everything.")
        self.guard_decisions = self._counter("guard_decisions", "Decisions of guard and operators.", "verdict")
        self.updates = self._counter("source_updates", "Updates taken from the queue.", "source")
        self.queue_length = self._gauge("update_queue_length", "Source updates waiting for the reducer.")
        self.queue_age = self._histogram(
            "update_queue_seconds", "How long the oldest update waited for the reducer.", _LATENCY_BUCKETS
        )
        self.commits = self._counter("commits", "Commits that changed something.", "kind")
        self.reduce_time = self._histogram(
            "reduce_seconds", "Seconds from taking an update to the commit.", _LATENCY_BUCKETS
        )
        self.complete = self._gauge("snapshot_complete", "1 once every source has been read completely.")
        self.stale = self._gauge(
            "snapshot_stale", "1 while a source's part is restored and not confirmed yet.", "source"
        )
        self._declare_saved()

    def _declare_saved(self) -> None:
        self.saved_loads = self._counter("saved_loads", "Starts, by what became of the saved snapshot.", "result")
        self.saved_at = self._gauge("saved_timestamp_seconds", "Unix time of the last save.")
        self.saved_bytes = self._gauge("saved_bytes", "Size of the saved snapshot.")
        self.siblings = self._gauge("siblings", "Other replicas whose decisions arrive.")
        self.takeovers = self._counter("takeovers", "Starts, by whether a sibling gave its world.", "result")
        self.refused_states = self._counter(
            "sibling_states_refused", "States of siblings that a start could not use, by why.", "reason"
        )
        self.refused_decisions = self._counter(
            "sibling_decisions_refused", "Streams of decisions ended for what a sibling sent, by why.", "reason"
        )
        self.save_failures = self._counter("save_failures", "Saves that failed; the last good file stays.")
        self.decision_save_failures = self._counter(
            "decision_save_failures", "Writes of operators' decisions that failed; they are in memory meanwhile."
        )
        self.decisions_ignored = self._counter(
            "decisions_ignored", "Starts that did not use the file of operators' decisions, by why.", "result"
        )
        self.save_time = self._histogram("save_seconds", "Seconds of one save.", _LATENCY_BUCKETS)

    def _declare_ads(self) -> None:
        self.streams = self._gauge("ads_streams", "Open ADS streams.", "dialect")
        for dialect in ("sotw", "delta"):
            self.streams.labels(dialect).set(0)
        self.pushes = self._counter("ads_responses", "Responses sent.", "dialect", "kind")
        self.push_bytes = self._counter("ads_response_bytes", "Bytes of responses sent.", "dialect", "kind")
        self.nacks = self._counter("ads_nacks", "Responses refused by clients.", "dialect", "kind")
        self.stale_nonces = self._counter("ads_stale_nonces", "Requests ignored for a stale nonce.", "dialect")
        self.connections = self._gauge("ads_connections", "Open connections to the ADS port, streams on them or not.")
        self.bad_requests = self._counter(
            "ads_bad_requests", "Requests that broke the protocol, streams and connections refused or closed.", "reason"
        )
        self.tls_expiry = self._gauge(
            "ads_certificate_expiry_timestamp_seconds",
            "Unix time until which the certificate in use is valid; 0 when it cannot be told.",
            "certificate",
        )
        self.tls_reloads = self._counter(
            "ads_tls_reloads", "Attempts to use changed certificate files; each handshake repeats a failure.", "result"
        )
        self.ack_time = self._histogram(
            "ads_ack_seconds", "Seconds from response to ACK.", _LATENCY_BUCKETS, "dialect", "kind"
        )
        self.convergence_time = self._histogram(
            "convergence_seconds",
            "Seconds from the registry's answer that showed a change to its ACK.",
            _LATENCY_BUCKETS,
            "kind",
        )

    def _declare_process(self) -> None:
        self.reloads = self._counter("reload", "Reloads of a changed settings file.", "result")
        self.reload_ok = self._gauge(
            "reload_last_successful", "0 while the settings file says what was refused, 1 otherwise."
        )
        self.reload_time = self._gauge(
            "reload_last_success_timestamp_seconds", "Unix time of the last reload that took effect; 0 before."
        )
        self.http_connections = self._gauge("http_connections", "Open connections to the pages.")
        self.http_cut = self._counter(
            "http_connections_cut",
            "Connections to the pages that were ended or refused: an unfinished head, idle, evicted, full, and so on.",
            "reason",
        )
        self.admin_listening = self._gauge("admin_listening", "1 while operators can reach the admin socket.")
        self.admin_requests = self._counter("admin_requests", "Requests on the admin socket.", "command", "result")
        ProcessCollector(registry=self.registry)
        self.memory_blocks = self._gauge(
            "python_memory_blocks", "Small objects that exist now; resident memory keeps what a peak of them took."
        )
        self.memory_blocks.set_function(sys.getallocatedblocks)
        self.loop_lag = self._histogram("event_loop_lag_seconds", "Lateness of a timer of 0.1 s.", _LATENCY_BUCKETS)
        self.longest_block = self._gauge("event_loop_longest_block_seconds", "The longest lateness since the start.")
        self.loop_tasks = self._gauge("event_loop_tasks", "Tasks of the event loop that are not done.")
