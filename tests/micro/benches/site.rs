//! From the bytes of a site file to a vhost.

use std::{fmt::Write as _, hint::black_box};

use criterion::Criterion;
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_site::parse_site;
use vestibule_vhost::compile;

pub(crate) fn bench(criterion: &mut Criterion) {
    let small = "hosts: blog.example.com\nupstream: 5000\n".to_owned();
    let mut large = "hosts: [blog.example.com, \"*.blog.example.com\"]\nroutes:\n".to_owned();
    for n in 0..100 {
        writeln!(large, "  /part-{n}: {{upstream: \"127.0.0.1:{}\"}}", 5_000 + n).expect("a string takes everything");
    }
    for (name, text) in [("two lines", small), ("100 routes", large)] {
        let parsed = parse_site(text.as_bytes());
        let site = parsed.valid().expect("it is valid");
        let granted: Vec<HostPattern> = site.hosts.iter().map(|host| host.value.clone()).collect();
        criterion.bench_function(&format!("site/parse, {name}"), |bench| {
            bench.iter(|| parse_site(black_box(text.as_bytes())));
        });
        criterion.bench_function(&format!("site/compile, {name}"), |bench| {
            bench.iter(|| compile(black_box(site), SiteId::new("blog.yaml"), TenantId(1000), &granted));
        });
    }
}
