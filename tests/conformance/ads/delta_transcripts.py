"""Transcripts of the delta dialect."""

from tests.conformance.ads.transcripts import Transcript, acknowledge, call, change, got, release, sub
from tests.support.ads_rig import CURRENT, JUNK, LAST, STALE
from tests.support.ads_world import GATEWAY, MESH_CONFIG, OLD_SERVICE_ENTRY, OLD_SIDECAR, SIDECAR

T = Transcript

SUBSCRIPTIONS = (
    T(
        "X7 X39 D4 X62 E17",
        "initial_versions_save_what_is_equal_and_report_what_is_gone",
        (
            (sub(initial={"a": CURRENT, "b": "0123", "z": "0456"}), [got(b=1, _gone=("z",))]),
            (change(a=2), [got(a=2)]),
        ),
    ),
    T(
        "X39 D1 I8",
        "a_first_request_whose_versions_are_all_current_gets_an_empty_answer",
        ((sub(initial={"a": CURRENT, "b": CURRENT}), [got()]), (change(b=2), [got(b=2)])),
    ),
    T(
        "D4",
        "initial_versions_on_a_later_request_are_ignored",
        ((sub(), [got(a=1, b=1)]), (sub(initial={"a": "0123", "z": "0456"}), []), (change(a=2), [got(a=2)])),
    ),
    T(
        "X39",
        "initial_versions_of_names_that_are_not_subscribed_are_ignored",
        ((sub("a", initial={"b": "0123", "z": "1"}), [got(a=1)]), (change(b=2), [])),
    ),
    T(
        "X8 E14 X60",
        "unsubscribing_a_name_under_a_wildcard_tells_what_became_of_it",
        (
            (sub(), [got(a=1, b=1)]),
            (sub("a"), [got(a=1)]),
            (sub(un=("a", "zzz")), [got(a=1, _gone=("zzz",))]),
            (change(a=2), [got(a=2)]),
        ),
    ),
    T(
        "X9 X12",
        "subscriptions_come_before_unsubscriptions_of_the_same_request",
        (
            (sub("*"), [got(a=1, b=1)]),
            (sub("a"), [got(a=1)]),
            (sub("b", un=("a",)), [got(a=1, b=1)]),
            (sub("c", un=("c", "*")), []),
            (change(c=1, a=2), []),
            (change(b=2), [got(b=2)]),
        ),
    ),
    T(
        "X10 X46 X60 D3",
        "without_the_wildcard_only_names_remain_and_nothing_after_them",
        (
            (sub("*", "a"), [got(a=1, b=1)]),
            (sub(un=("*",)), []),
            (change(b=2, c=1), []),
            (change(a=2), [got(a=2)]),
            (sub(un=("a",)), []),
            (change(a=3), []),
            (sub(), []),
            (sub("*"), [got(a=3, b=2, c=1)]),
        ),
    ),
    T(
        "X11 E13",
        "unsubscribing_what_was_never_subscribed_is_ignored",
        ((sub("a"), [got(a=1)]), (sub(un=("*", "b", "o/*")), []), (change(b=2), []), (change(a=2), [got(a=2)])),
    ),
    T(
        "X13 E18",
        "a_first_request_that_only_unsubscribes_is_no_wildcard",
        ((sub(un=("b",)), [got()]), (change(a=2), []), (sub("a"), [got(a=2)])),
    ),
    T(
        "X60",
        "a_wildcard_after_a_name_brings_everything",
        ((sub("a"), [got(a=1)]), (sub("*"), [got(a=1, b=1)]), (sub("b"), [got(b=1)]), (change(a=2), [got(a=2)])),
    ),
    T(
        "X14 X47",
        "a_collection_is_followed_and_its_members_are_reported_when_it_is_unsubscribed",
        (
            (sub("o/*", "a"), [got(a=1, o_x=1)]),
            (change(o_x=2), [got(o_x=2)]),
            (change(b=2), []),
            (change(o_y=1), [got(o_y=1)]),
            (change(o_y=None), [got(_gone=("o_y",))]),
            (sub(un=("o/*",)), [got(_gone=("o_x",))]),
            (change(o_x=3), []),
            (sub("o/*"), [got(o_x=3)]),
            (sub("p/*"), []),
            (change(p_q=1), [got(p_q=1)]),
        ),
        world=("a", "b", "o_x"),
    ),
    T(
        "X47",
        "a_member_of_a_collection_that_is_also_named_stays_when_the_collection_goes",
        (
            (sub("o/*", "o/x"), [got(o_x=1, o_y=1)]),
            (sub(un=("o/*",)), [got(_gone=("o_y",))]),
            (change(o_x=2, o_y=2), [got(o_x=2)]),
        ),
        world=("o_x", "o_y"),
    ),
    T(
        "X38 E21 D9 E16",
        "a_name_that_does_not_exist_is_reported_as_removed_and_sent_when_it_appears",
        (
            (sub("b", "c"), [got(b=1, _gone=("c",))]),
            (change(c=1), [got(c=1)]),
            (change(c=None), [got(_gone=("c",))]),
            (change(c=2), [got(c=2)]),
        ),
    ),
    T(
        "E12 E11 D9",
        "subscribing_again_sends_again",
        (
            (sub("a", "b"), [got(a=1, b=1)]),
            (sub("a"), [got(a=1)]),
            (sub("a", nonce=LAST), [got(a=1)]),
            (sub(un=("a",)), []),
            (sub("a"), [got(a=1)]),
        ),
    ),
    T(
        "D3 E13 X65",
        "unsubscribing_a_name_ends_its_updates_without_an_answer",
        ((sub("a", "b"), [got(a=1, b=1)]), (sub(un=("a",)), []), (change(a=2), []), (change(b=2), [got(b=2)])),
    ),
)

CACHE = (
    T(
        "X36 D1",
        "an_empty_world_is_answered_once",
        ((sub(), [got()]), (sub(nonce=LAST), []), (sub(), []), (change(a=1), [got(a=1)])),
        world=(),
    ),
    T(
        "X40 D6 E15",
        "a_batch_is_one_response_with_changes_and_removals_of_what_is_subscribed",
        ((sub("a", "b"), [got(a=1, b=1)]), (change(a=2, b=None, c=1), [got(a=2, _gone=("b",))])),
    ),
    T(
        "X41",
        "a_resource_deleted_and_added_again_is_sent_again",
        ((sub("a"), [got(a=1)]), (change(a=None), [got(_gone=("a",))]), (change(a=1), [got(a=1)])),
    ),
    T(
        "X42 X43 X45",
        "replacing_the_whole_set_reports_what_is_missing",
        (
            (sub(), [got(a=1, b=1)]),
            (change(a=None, b=None, c=1, d=1), [got(c=1, d=1, _gone=("a", "b"))]),
            (change(c=None, d=None), [got(_gone=("c", "d"))]),
        ),
    ),
    T(
        "X48 E7 P3",
        "equal_content_is_never_sent",
        ((sub(), [got(a=1, b=1)]), (change(a=1, b=1), []), (change(a=1, b=2), [got(b=2)])),
    ),
    T(
        "D6",
        "what_came_and_went_between_two_responses_is_in_neither_list",
        (
            (acknowledge(False), []),
            (sub(), [got(a=1, b=1)]),
            (change(c=1), []),
            (change(c=None), []),
            (sub(nonce=LAST), []),
            (change(d=1), [got(d=1)]),
        ),
    ),
    T(
        "D10 N9",
        "without_an_ack_changes_merge_per_name",
        (
            (acknowledge(False), []),
            (sub(), [got(a=1, b=1)]),
            (change(a=2, c=1), []),
            (change(a=3, b=None), []),
            (change(b=2), []),
            (change(b=None), []),
            (sub(nonce=LAST), [got(a=3, c=1, _gone=("b",))]),
        ),
    ),
    T(
        "D12 S6 S7 H2 I5",
        "a_held_type_is_answered_when_the_snapshot_is_complete",
        (
            (sub(initial={"z": "1"}), []),
            (change(c=1, a=None), []),
            (release(), [got(b=1, c=1, _gone=("z",))]),
        ),
        complete=False,
    ),
)

NONCES = (
    T(
        "D7 N4 E2",
        "a_refused_version_is_not_sent_again_while_others_flow_on",
        (
            (acknowledge(False), []),
            (sub(), [got(a=1, b=1)]),
            (sub(nonce=LAST, error="no"), []),
            (change(b=2), [got(b=2)]),
            (sub(nonce=LAST, error="no"), []),
            (change(a=2, b=None), [got(a=2, _gone=("b",))]),
        ),
    ),
    T(
        "D8 E5",
        "a_stale_nonce_does_not_take_names_away",
        (
            (sub("a"), [got(a=1)]),
            (change(a=2), [got(a=2)]),
            (sub("b", nonce=STALE), [got(b=1)]),
            (sub(un=("a",), nonce=STALE), []),
            (change(a=3), []),
            (sub(nonce=JUNK), []),
        ),
    ),
    T(
        "D8 E6",
        "a_request_without_nonce_changes_names_and_an_ack_may_do_so_too",
        ((sub("a"), [got(a=1)]), (sub("b"), [got(b=1)]), (sub("c", nonce=LAST), [got(_gone=("c",))])),
    ),
    T(
        "N1 D5 I1 H1",
        "a_first_request_with_a_foreign_nonce_and_no_versions_gets_everything",
        ((sub(nonce=JUNK), [got(a=1, b=1)]),),
    ),
)

TYPES = (
    T(
        "D12 S5 X59",
        "unknown_types_get_one_empty_answer_and_mesh_config_none",
        (
            (sub(url=GATEWAY), [got(GATEWAY)]),
            (sub(url=MESH_CONFIG), []),
            (sub("x", url="foo"), [got("foo", _gone=("x",))]),
            (change(a=2), []),
        ),
    ),
    T(
        "S2 D2",
        "each_api_version_has_its_own_state",
        (
            (sub("a"), [got(a=1)]),
            (sub(url=OLD_SERVICE_ENTRY), [got(OLD_SERVICE_ENTRY, a=1, b=1)]),
            (change(b=2), [got(OLD_SERVICE_ENTRY, b=2)]),
        ),
    ),
    T(
        "S2 D2",
        "sidecars_are_served_as_service_entries_are_in_each_api_version",
        (
            (call(a=1, c=1), []),
            (sub(url=SIDECAR), [got(SIDECAR, a=1, c=1)]),
            (sub("c", "d", url=OLD_SIDECAR), [got(OLD_SIDECAR, c=1, _gone=("d",))]),
            (call(c=2, e=1), [got(SIDECAR, c=2, e=1), got(OLD_SIDECAR, c=2)]),
            (change(a=2), []),
            (sub(), [got(a=2, b=1)]),
            (call(c=None), [got(SIDECAR, _gone=("c",)), got(OLD_SIDECAR, _gone=("c",))]),
        ),
    ),
)

ALL = (*SUBSCRIPTIONS, *CACHE, *NONCES, *TYPES)
