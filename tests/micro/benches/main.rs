//! Micro-benches: `cargo bench --package vestibule-micro [-- FILTER]`.
//!
//! Each measures one step of a walk by itself, with everything in the caches: they tell two versions of a step apart, not
//! how fast the gateway is. No test runs them with a clock; `cargo bench --package vestibule-micro -- --test` runs each once.

mod heads;
mod law;
mod preface;
mod site;
mod table;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    preface::bench(&mut criterion);
    heads::bench(&mut criterion);
    table::bench(&mut criterion);
    law::bench(&mut criterion);
    site::bench(&mut criterion);
    criterion.final_summary();
}
