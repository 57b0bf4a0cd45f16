//! Promise: what is forwarded has one reading. Raw bytes of clients in HTTP/1.1, in the clear and over TLS; each case
//! has one allowed outcome, and a backend of the strictest grammar judges what arrives.
//!
//! A refused case is followed by a request that must never arrive, an understood one by a request that must.

mod case;
mod chunks;
mod framing;
mod hops;
mod lines;
mod meaning;
mod rig;

use std::collections::HashSet;

use rig::hold;

#[test]
fn no_table_has_lost_its_cases() {
    let tables = [
        framing::both_lengths(),
        framing::codings(),
        framing::disguised_names(),
        framing::lengths(),
        chunks::sizes(),
        chunks::ends(),
        chunks::extensions(),
        chunks::trailers(),
        lines::controls(),
        lines::ends(),
        lines::requests(),
        lines::fields(),
        lines::sizes(),
        meaning::hosts(),
        meaning::identity(),
        meaning::paths(),
        hops::hops(),
        hops::pipelines(),
    ];
    let different: HashSet<_> = tables.iter().flatten().map(|case| &case.bytes).collect();
    assert!(different.len() >= 1_800, "{}", different.len());
}

#[tokio::test]
async fn both_lengths_are_refused() {
    hold(framing::both_lengths()).await;
}

#[tokio::test]
async fn a_transfer_encoding_is_exactly_chunked() {
    hold(framing::codings()).await;
}

#[tokio::test]
async fn a_disguised_framing_field_is_refused_or_nothing() {
    hold(framing::disguised_names()).await;
}

#[tokio::test]
async fn a_content_length_is_one_decimal_number() {
    hold(framing::lengths()).await;
}

#[tokio::test]
async fn a_chunk_size_is_hexadecimal_digits_only() {
    hold(chunks::sizes()).await;
}

#[tokio::test]
async fn chunks_end_where_their_size_says() {
    hold(chunks::ends()).await;
}

#[tokio::test]
async fn chunk_extensions_are_plain_and_go_no_further() {
    hold(chunks::extensions()).await;
}

#[tokio::test]
async fn trailers_never_frame_route_or_identify() {
    hold(chunks::trailers()).await;
}

#[tokio::test]
async fn control_bytes_are_refused_in_every_place_of_a_head() {
    hold(lines::controls()).await;
}

#[tokio::test]
async fn lines_end_in_cr_lf_and_are_not_folded() {
    hold(lines::ends()).await;
}

#[tokio::test]
async fn a_request_line_has_one_form() {
    hold(lines::requests()).await;
}

#[tokio::test]
async fn names_are_tokens_and_values_are_text() {
    hold(lines::fields()).await;
}

#[tokio::test]
async fn heads_have_limits() {
    hold(lines::sizes()).await;
}

#[tokio::test]
async fn a_host_is_said_once_in_one_way() {
    hold(meaning::hosts()).await;
}

#[tokio::test]
async fn identity_comes_from_the_gateway_alone() {
    hold(meaning::identity()).await;
}

#[tokio::test]
async fn the_path_that_is_judged_is_the_path_that_is_forwarded() {
    hold(meaning::paths()).await;
}

#[tokio::test]
async fn hop_by_hop_fields_and_unconfirmed_upgrades_end_here() {
    hold(hops::hops()).await;
}

#[tokio::test]
async fn nothing_behind_a_refusal_is_a_request() {
    hold(hops::pipelines()).await;
}
