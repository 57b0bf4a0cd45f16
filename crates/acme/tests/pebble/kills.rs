//! A kill at any point, and what is left of it.
//!
//! A kill is a future that is dropped after so many polls, and a scene that is opened anew from its disk. Each await of the
//! walk is a place where that can happen, so that every durable write is followed by a kill at least once.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use vestibule_acme::{
    Client, Failure, FailureKind,
    config::ChallengeKind::{Dns01, Http01, TlsAlpn01},
    plan::{Obtained, Order},
};

use crate::{
    client, pebble,
    scene::{Scene, order},
};

/// Ends, undone, after so many polls.
struct Mortal<F> {
    future: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.future.as_mut().poll(context).map(Some)
    }
}

fn mortal<F: Future>(polls: usize, future: F) -> Mortal<F> {
    Mortal { future: Box::pin(future), polls }
}

/// As the planner has it: an order that failed while nobody was there is placed anew, once.
async fn after_kill(client: &Client, order: &Order) -> Result<Obtained, Failure> {
    match client.obtain(order).await {
        Err(failure) if failure.kind == FailureKind::Gone => client.obtain(order).await,
        outcome => outcome,
    }
}

#[tokio::test]
async fn a_kill_at_any_point_of_an_order_costs_one_certificate_at_most() {
    let mut scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble).await;
    let mut finished = false;
    for polls in 1..2000 {
        let kind = [Http01, TlsAlpn01, Dns01][polls % 3];
        let order = order(&[&format!("n{polls}.test"), &format!("m{polls}.test")], &[kind]);
        let before = pebble.issued();
        let first = client(&scene, &pebble);
        finished = mortal(polls, first.obtain(&order)).await.is_some();
        drop(first);
        scene = scene.restart();
        let second = client(&scene, &pebble);
        if !finished {
            let outcome = after_kill(&second, &order).await;
            outcome.unwrap_or_else(|failure| panic!("killed after {polls} polls: {failure}: {}", pebble.log()));
        }
        assert_eq!(pebble.issued() - before, 1, "killed after {polls} polls");
        let store = &scene.tools.store;
        assert_eq!(store.find(order.tenant, &order.names[0]).unwrap().draft.names, order.names);
        assert!(store.pending().is_empty() && store.broken().is_empty(), "killed after {polls} polls");
        if finished && polls % 3 == 2 {
            break;
        }
    }
    assert!(finished, "no order was ever left alone long enough");
}

#[tokio::test]
async fn a_kill_at_any_point_of_a_registration_or_a_change_of_key_loses_no_account() {
    let mut scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.bad_nonces(10)).await;
    let first = client(&scene, &pebble);
    first.obtain(&order(&["a.test"], &[Http01])).await.unwrap();
    let account = first.account().unwrap();
    drop(first);
    let mut finished = 0;
    for polls in 1..500 {
        let killed = client(&scene, &pebble);
        finished += usize::from(mortal(polls, killed.roll_over()).await.is_some());
        drop(killed);
        scene = scene.restart();
        let client = client(&scene, &pebble);
        let name = format!("n{polls}.test");
        let outcome = client.obtain(&order(&[&name], &[Http01])).await;
        outcome.unwrap_or_else(|failure| panic!("killed after {polls} polls: {failure}: {}", pebble.log()));
        assert_eq!(client.account().as_ref(), Some(&account), "killed after {polls} polls");
        if finished == 3 {
            break;
        }
    }
    assert_eq!(finished, 3, "no change was ever left alone long enough");
}

#[tokio::test]
async fn a_kill_at_any_point_of_a_first_order_makes_one_account() {
    let mut scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble).await;
    let mut finished = false;
    for polls in 1..500 {
        scene = scene.elsewhere();
        let order = order(&[&format!("n{polls}.test")], &[Http01]);
        let first = client(&scene, &pebble);
        finished = mortal(polls, first.obtain(&order)).await.is_some();
        drop(first);
        scene = scene.restart();
        let second = client(&scene, &pebble);
        let outcome = after_kill(&second, &order).await;
        outcome.unwrap_or_else(|failure| panic!("killed after {polls} polls: {failure}: {}", pebble.log()));
        let accounts = format!("There are now {polls} accounts in memory");
        let more = format!("There are now {} accounts in memory", polls + 1);
        assert!(pebble.log().contains(&accounts) && !pebble.log().contains(&more), "killed after {polls} polls");
        if finished {
            break;
        }
    }
    assert!(finished, "no order was ever left alone long enough");
}
