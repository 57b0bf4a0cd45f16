//! Promise: what is forwarded has one reading, in HTTP/2 too. Raw frames of clients over TLS, for the requirements of
//! RFC 9113 and RFC 7541; each case has one allowed outcome, and a backend of the strictest grammar judges what arrives.
//!
//! Every case is followed by a request: it must arrive if the connection lives, and may not if it ends.

mod bodies;
mod case;
mod connection;
mod fields;
mod floods;
mod frame;
mod hpack;
mod rig;
mod slow;
mod streams;

use std::collections::HashSet;

use rig::hold;

#[test]
fn no_table_has_lost_its_cases() {
    let tables = [
        connection::starts(),
        connection::settings_values(),
        connection::sizes(),
        connection::control_frames(),
        connection::windows(),
        connection::padding(),
        streams::states(),
        streams::ids(),
        streams::continuations(),
        fields::pseudo_fields(),
        fields::authorities(),
        fields::paths(),
        fields::names(),
        fields::values(),
        fields::connection_fields(),
        fields::limits(),
        bodies::lengths(),
        bodies::trailers(),
        hpack::blocks(),
    ];
    let different: HashSet<_> = tables.iter().flatten().map(|case| &case.parts).collect();
    assert!(different.len() >= 2_000, "{}", different.len());
}

#[tokio::test]
async fn a_connection_begins_with_its_preface_and_settings() {
    hold(connection::starts()).await;
}

#[tokio::test]
async fn settings_are_within_their_ranges() {
    hold(connection::settings_values()).await;
}

#[tokio::test]
async fn frames_have_the_size_of_their_type() {
    hold(connection::sizes()).await;
}

#[tokio::test]
async fn control_frames_stand_on_their_stream() {
    hold(connection::control_frames()).await;
}

#[tokio::test]
async fn windows_neither_stand_still_nor_overflow() {
    hold(connection::windows()).await;
}

#[tokio::test]
async fn windows_that_stay_shut_end_the_connection() {
    slow::hold().await;
}

#[tokio::test]
async fn padding_is_within_its_frame() {
    hold(connection::padding()).await;
}

#[tokio::test]
async fn frames_come_in_the_states_of_their_stream() {
    hold(streams::states()).await;
}

#[tokio::test]
async fn streams_of_clients_have_odd_and_rising_numbers() {
    hold(streams::ids()).await;
}

#[tokio::test]
async fn nothing_comes_between_the_parts_of_a_head() {
    hold(streams::continuations()).await;
}

#[tokio::test]
async fn pseudo_header_fields_come_once_and_first() {
    hold(fields::pseudo_fields()).await;
}

#[tokio::test]
async fn an_authority_is_said_in_one_way() {
    hold(fields::authorities()).await;
}

#[tokio::test]
async fn a_path_has_one_form() {
    hold(fields::paths()).await;
}

#[tokio::test]
async fn names_are_lower_case_tokens() {
    hold(fields::names()).await;
}

#[tokio::test]
async fn values_are_text() {
    hold(fields::values()).await;
}

#[tokio::test]
async fn no_field_is_about_the_connection() {
    hold(fields::connection_fields()).await;
}

#[tokio::test]
async fn heads_have_limits() {
    hold(fields::limits()).await;
}

#[tokio::test]
async fn a_body_is_as_long_as_it_was_said() {
    hold(bodies::lengths()).await;
}

#[tokio::test]
async fn trailers_never_frame_route_or_identify() {
    hold(bodies::trailers()).await;
}

#[tokio::test]
async fn header_blocks_decode_in_one_way_or_not_at_all() {
    hold(hpack::blocks()).await;
}

#[tokio::test]
async fn floods_of_frames_end_in_enhance_your_calm() {
    floods::hold().await;
}
