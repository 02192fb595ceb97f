"""Transcripts of the state-of-the-world dialect."""

from tests.conformance.ads.transcripts import Transcript, acknowledge, ask, call, change, got, release
from tests.support.ads_rig import JUNK, STALE
from tests.support.ads_world import GATEWAY, MESH_CONFIG, OLD_SERVICE_ENTRY, OLD_SIDECAR, SIDECAR

T = Transcript

SUBSCRIPTIONS = (
    T(
        "X1 E9 S3",
        "a_first_request_without_names_is_a_wildcard_and_stays_one",
        (
            (ask(), [got(a=1, b=1)]),
            (ask(nonce=""), [got(a=1, b=1)]),
            (ask(), []),
            (change(c=1), [got(a=1, b=1, c=1)]),
        ),
    ),
    T(
        "X2 X3 E10",
        "names_end_the_legacy_wildcard_which_never_comes_back",
        (
            (ask(), [got(a=1, b=1)]),
            (ask("a"), [got(a=1)]),
            (change(b=2), []),
            (change(a=2), [got(a=2)]),
            (ask(), [got()]),
            (change(a=3), []),
            (ask("*"), [got(a=3, b=2)]),
        ),
    ),
    T(
        "X4",
        "an_explicit_wildcard_is_one_and_repeating_it_changes_nothing",
        (
            (ask("*"), [got(a=1, b=1)]),
            (ask("*"), []),
            (change(a=2), [got(a=2, b=1)]),
        ),
    ),
    T(
        "X5",
        "a_wildcard_beside_names_ends_when_it_is_left_out",
        (
            (ask("*", "a"), [got(a=1, b=1)]),
            (ask("*", "b"), [got(a=1, b=1)]),
            (ask("b"), [got(b=1)]),
            (ask(), [got()]),
            (ask("*"), [got(a=1, b=1)]),
        ),
    ),
    T(
        "X6 X29 E11",
        "a_name_dropped_and_named_again_is_answered_though_unchanged",
        (
            (ask("a", "b"), [got(a=1, b=1)]),
            (ask("a"), [got(a=1)]),
            (ask("b", "a"), [got(a=1, b=1)]),
            (ask("a", "b"), []),
        ),
    ),
    T(
        "X14 X47",
        "a_collection_name_stands_for_every_name_under_it",
        (
            (ask("o/*", "a"), [got(a=1, o_x=1)]),
            (change(o_y=1), [got(a=1, o_x=1, o_y=1)]),
            (change(b=2), []),
            (ask("o/*"), [got(o_x=1, o_y=1)]),
            (change(o_x=None), [got(o_y=1)]),
        ),
        world=("a", "b", "o_x"),
    ),
    T(
        "S10 X30",
        "a_named_request_that_does_not_cover_the_snapshot_is_answered_all_the_same",
        (
            (ask("a", "zzz"), [got(a=1)]),
            (ask("b"), [got(b=1)]),
        ),
    ),
    T(
        "X54 E3",
        "before_the_first_answer_a_later_list_of_names_replaces_the_earlier",
        (
            (ask("a", nonce=JUNK), []),
            (ask("b", nonce=JUNK), []),
            (release(), [got(b=1)]),
            (change(a=2), []),
        ),
        complete=False,
    ),
    T(
        "X55",
        "names_dropped_while_an_answer_waits_are_not_in_it",
        (
            (ask("a", "b"), [got(a=1, b=1)]),
            (acknowledge(False), []),
            (change(a=2), [got(a=2, b=1)]),
            (change(a=3, b=2), []),
            (ask("b"), [got(b=2)]),
        ),
    ),
)

CACHE = (
    T(
        "X15",
        "a_name_gets_one_resource_and_a_wildcard_all",
        (
            (ask("a", url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, a=1)]),
            (ask(), [got(a=1, b=1)]),
        ),
    ),
    T(
        "X17 P1 R1 S8",
        "a_change_answers_the_named_and_the_wildcard_subscription_once",
        (
            (ask("a", url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, a=1)]),
            (ask(), [got(a=1, b=1)]),
            (change(a=2), [got(OLD_SERVICE_ENTRY, a=2), got(a=2, b=1)]),
            (change(b=None), [got(a=2)]),
        ),
    ),
    T(
        "X18 X20 E8 N1 H1",
        "a_first_request_is_answered_in_full_whatever_version_and_nonce_it_carries",
        ((ask(nonce=JUNK, version="a8a6a20d7331ab8a"), [got(a=1, b=1)]),),
    ),
    T(
        "X19 X48 P3 E7",
        "a_batch_is_one_response_and_equal_content_none",
        (
            (ask(), [got(a=1, b=1)]),
            (change(a=2, b=2, c=1), [got(a=2, b=2, c=1)]),
            (change(a=2, b=2, c=1), []),
        ),
    ),
    T(
        "X22 X21 E15",
        "deletions_are_told_by_absence_and_the_last_one_by_an_empty_response",
        (
            (ask("a", url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, a=1)]),
            (ask(), [got(a=1, b=1)]),
            (change(a=None), [got(OLD_SERVICE_ENTRY), got(b=1)]),
            (change(b=None), [got()]),
            (change(a=1), [got(OLD_SERVICE_ENTRY, a=1), got(a=1)]),
        ),
    ),
    T(
        "X23 X25",
        "an_answer_about_one_of_three_names_leaves_nothing_behind_for_the_others",
        (
            (ask("a", "b", "c"), [got(a=1, b=1)]),
            (change(a=2), [got(a=2, b=1)]),
            (change(b=2), [got(a=2, b=2)]),
            (change(d=2), []),
        ),
    ),
    T(
        "X26 E16",
        "a_name_that_did_not_exist_is_answered_when_it_appears",
        (
            (ask("b", "d"), [got(b=1)]),
            (change(a=2), []),
            (change(b=2), [got(b=2)]),
            (change(d=1), [got(b=2, d=1)]),
        ),
    ),
    T(
        "X27",
        "a_long_mix_of_changes_and_subscriptions_is_always_answered_with_the_full_state",
        (
            (ask(nonce=JUNK, version="other-1"), [got(a=1, b=1, c=1)]),
            (ask("*", url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, a=1, b=1, c=1)]),
            (change(b=2, d=1, a=None), [got(b=2, c=1, d=1), got(OLD_SERVICE_ENTRY, b=2, c=1, d=1)]),
            (ask("b", url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, b=2)]),
            (ask("b", "d", url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, b=2, d=1)]),
            (change(e=1), [got(b=2, c=1, d=1, e=1)]),
            (ask("c", url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, c=1)]),
            (ask("*", url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, b=2, c=1, d=1, e=1)]),
            (change(c=None), [got(b=2, d=1, e=1), got(OLD_SERVICE_ENTRY, b=2, d=1, e=1)]),
            (change(b=3), [got(b=3, d=1, e=1), got(OLD_SERVICE_ENTRY, b=3, d=1, e=1)]),
        ),
        world=("a", "b", "c"),
    ),
    T(
        "X28 S6 S7 I5 H2 X34",
        "a_held_type_is_answered_when_the_snapshot_is_complete_and_not_before",
        (
            (ask(), []),
            (change(c=1), []),
            (ask(nonce=JUNK), []),
            (release(), [got(a=1, b=1, c=1)]),
            (ask(), []),
        ),
        complete=False,
    ),
)

NONCES = (
    T(
        "N3 E2",
        "an_ack_is_not_answered",
        ((ask(nonce=JUNK), [got(a=1, b=1)]), (ask(), []), (ask(), [])),
    ),
    T(
        "N4 E2 X19",
        "a_nack_is_not_answered_until_the_content_changes",
        (
            (acknowledge(False), []),
            (ask(), [got(a=1, b=1)]),
            (ask(error="no"), []),
            (change(a=1), []),
            (change(a=2), [got(a=2, b=1)]),
            (ask(error="still no"), []),
            (change(a=1), [got(a=1, b=1)]),
        ),
    ),
    T(
        "N5 X53 E4 E1",
        "a_stale_nonce_is_ignored_and_the_right_one_after_it_is_not",
        (
            (ask(), [got(a=1, b=1)]),
            (change(a=2), [got(a=2, b=1)]),
            (ask("b", nonce=STALE), []),
            # The ACK of the next response repeats the new list under the right nonce.
            (change(a=3), [got(a=3, b=1), got(b=1)]),
        ),
    ),
    T(
        "N6 X18",
        "an_empty_nonce_asks_again",
        ((ask(), [got(a=1, b=1)]), (ask(nonce=""), [got(a=1, b=1)]), (ask("b", nonce=""), [got(b=1)])),
    ),
    T(
        "N8",
        "requests_with_foreign_nonces_during_the_hold_make_no_second_answer",
        (
            (ask(nonce=JUNK), []),
            (ask(nonce="something else"), []),
            (ask(nonce=""), []),
            (release(), [got(a=1, b=1)]),
        ),
        complete=False,
    ),
    T(
        "N9 D10 X31",
        "without_an_ack_changes_wait_and_become_one_response",
        (
            (acknowledge(False), []),
            (ask(), [got(a=1, b=1)]),
            (change(a=2), []),
            (change(b=None), []),
            (change(c=1), []),
            (ask(), [got(a=2, c=1)]),
        ),
    ),
    T(
        "N7 E7",
        "a_change_and_its_reversal_while_waiting_are_not_told",
        (
            (acknowledge(False), []),
            (ask(), [got(a=1, b=1)]),
            (change(a=2), []),
            (change(a=1), []),
            (ask(), []),
        ),
    ),
)

TYPES = (
    T(
        "S2 I3 N2 R2",
        "all_api_versions_of_a_kind_are_the_same_resources_under_their_own_name",
        (
            (ask(nonce=JUNK), [got(a=1, b=1)]),
            (ask(url=OLD_SERVICE_ENTRY, nonce=JUNK), [got(OLD_SERVICE_ENTRY, a=1, b=1)]),
            (
                ask(url="networking.istio.io/v1beta1/ServiceEntry"),
                [got("networking.istio.io/v1beta1/ServiceEntry", a=1, b=1)],
            ),
        ),
    ),
    T(
        "S3 S4 I2 X16 X59",
        "types_without_data_are_answered_at_once_even_while_others_are_held",
        (
            (ask(nonce=JUNK), []),
            (ask(url=GATEWAY, nonce=JUNK), [got(GATEWAY)]),
            (ask(url="new.istio.io/v1/Kind", nonce=JUNK), [got("new.istio.io/v1/Kind")]),
            (ask(url=SIDECAR, nonce=JUNK), [got(SIDECAR)]),
            (change(a=2), []),
            (release(), [got(a=2, b=1)]),
            (change(a=3), [got(a=3, b=1)]),
        ),
        complete=False,
    ),
    T(
        "S2",
        "sidecars_are_served_as_service_entries_are_in_each_api_version",
        (
            (call(a=1, c=1), []),
            (ask(url=SIDECAR, nonce=""), [got(SIDECAR, a=1, c=1)]),
            (ask(url=OLD_SIDECAR, nonce=""), [got(OLD_SIDECAR, a=1, c=1)]),
            (call(c=2, e=1), [got(SIDECAR, a=1, c=2, e=1), got(OLD_SIDECAR, a=1, c=2, e=1)]),
            (change(a=2), []),
            (ask(nonce=""), [got(a=2, b=1)]),
            (call(c=None, e=None), [got(SIDECAR, a=1), got(OLD_SIDECAR, a=1)]),
            (call(a=None), [got(SIDECAR), got(OLD_SIDECAR)]),
        ),
    ),
    T("S5", "mesh_config_is_not_answered", ((ask(url=MESH_CONFIG, nonce=JUNK), []), (change(a=2), []))),
    T(
        "M1 M2 T8",
        "odd_type_urls_get_an_empty_answer_and_the_stream_goes_on",
        (
            (ask(url="foo"), [got("foo")]),
            (ask(url="istio.io/debug/syncz"), [got("istio.io/debug/syncz")]),
            (ask(url="a/b/c/d"), [got("a/b/c/d")]),
            (
                ask(url="type.googleapis.com/envoy.config.cluster.v3.Cluster"),
                [got("type.googleapis.com/envoy.config.cluster.v3.Cluster")],
            ),
            (ask(url="networking.istio.io/v2/ServiceEntry"), [got("networking.istio.io/v2/ServiceEntry")]),
            (ask(), [got(a=1, b=1)]),
        ),
    ),
)

ALL = (*SUBSCRIPTIONS, *CACHE, *NONCES, *TYPES)
