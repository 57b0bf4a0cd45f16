//! The header law: what becomes of the head of a request on its way to a backend, and of a response on its way back.

use bytes::BytesMut;
use criterion::{BatchSize, Criterion};
use vestibule_h1::{AnswerTo, read_request, read_response};
use vestibule_names::{ClientAddr, RequestId};
use vestibule_proxy::{
    Caller, ClientCertificate, Scheme, Trust,
    fuzzing::{BodyLength, rewrite_request, rewrite_response},
};

use crate::heads::{LIMITS, REQUEST, RESPONSE};

pub(crate) fn bench(criterion: &mut Criterion) {
    let caller = Caller {
        client: ClientAddr::new(([192, 0, 2, 1], 40_000).into()),
        scheme: Scheme::Https,
        authority: "blog.example.com",
        trust: Trust::Client,
        request_id: RequestId(1),
        certificate: ClientCertificate::NotAsked,
    };
    let (request, _) = read_request(REQUEST, &mut 0, &LIMITS).expect("it is valid").expect("it is whole");
    let (request, ()) = request.request.into_parts();
    criterion.bench_function("law/request", |bench| {
        let rewrite =
            |mut head| rewrite_request(&mut head, "/assets/app.js", &caller, None, BodyLength::None).map(|()| head);
        bench.iter_batched(|| request.clone(), rewrite, BatchSize::SmallInput);
    });
    let response = read_response(&mut BytesMut::from(RESPONSE), &mut 0, &LIMITS, AnswerTo::Other);
    let (response, ()) = response.expect("it is valid").expect("it is whole").response.into_parts();
    criterion.bench_function("law/response", |bench| {
        let rewrite = |mut head| rewrite_response(&mut head, &request).map(|()| head);
        bench.iter_batched(|| response.clone(), rewrite, BatchSize::SmallInput);
    });
}
