//! Before the first certificate: a handshake for a name whose order is in flight waits a moment for it, so that the first
//! visitor of a new site sees no error at all. [`wait`] is bounded in time and number, and says what is shown afterwards.
//!
//! Not here: what a name without a certificate gets (`connection.rs` and `request.rs`, by the operator's policy).

use std::{future::Future, time::Duration};

use tokio::time::timeout;
use vestibule_certs::Shows;
use vestibule_names::SiteId;

use crate::front::Front;

/// The engine ends an order and tells of it in two steps: this much may lie between them.
const SWAP_GRACE: Duration = Duration::from_millis(250);

/// Waits until the host has a certificate, no order for it is in flight any more, `hold` or the drain is over, whichever
/// comes first. Only the task of this handshake waits. `look` says what would be shown now.
pub(crate) async fn wait(
    front: &Front,
    site: &SiteId,
    host: &str,
    hold: Duration,
    draining: impl Future<Output = ()>,
    look: impl Fn() -> Shows,
) -> Shows {
    let mut told = front.told.subscribe(); // before the first look: what changes after it is not missed
    if look() == Shows::Certificate {
        return Shows::Certificate;
    }
    if !front.door.is_ordering(host) {
        return look(); // nothing is under way; or it came this very moment
    }
    let Some(_place) = front.holds.take(site) else { return Shows::Placeholder };
    let arrived = async {
        while look() != Shows::Certificate {
            if told.changed().await.is_err() {
                return; // the engine has gone: nothing will come
            }
        }
    };
    let ended = async {
        front.door.settled(host).await;
        tokio::time::sleep(SWAP_GRACE).await;
    };
    let either = async {
        tokio::select! {
            () = arrived => {}
            () = ended => {}
            () = draining => {}
        }
    };
    // Running out of time says nothing new: the look does.
    let _ = timeout(hold, either).await;
    look()
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending, time::Duration};

    use tokio::time::Instant;
    use vestibule_acme::Door;

    use super::*;
    use crate::config::WithoutCertificate;

    const HOLD: Duration = Duration::from_secs(5);

    fn front() -> Front {
        Front {
            door: Door::default(),
            hold: HOLD,
            without_certificate: WithoutCertificate::Placeholder,
            holds: Default::default(),
            told: tokio::sync::watch::Sender::new(0),
            running: true.into(),
        }
    }

    /// What happens while a handshake for `a.test` waits, and when.
    #[derive(Clone, Copy)]
    enum Then {
        Nothing,
        /// The order ends, and its certificate is swapped in this much later.
        Obtained(Duration),
        /// The certificate is swapped in while the order is still open.
        Swapped,
        Failed,
        Drain,
    }

    /// What was shown, and after how many milliseconds of waiting. The order is in flight; `then` happens after a second.
    async fn story(then: Then) -> (Shows, u128) {
        let front = front();
        let shown = Cell::new(Shows::Placeholder);
        let drain = tokio::sync::Notify::new();
        let order = front.door.ordering(vec!["a.test".to_owned()]);
        let began = Instant::now();
        let world = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match then {
                Then::Nothing => pending().await,
                Then::Failed => drop(order),
                Then::Drain => drain.notify_one(),
                Then::Swapped => {
                    shown.set(Shows::Certificate);
                    front.announce();
                }
                Then::Obtained(later) => {
                    drop(order);
                    tokio::time::sleep(later).await;
                    shown.set(Shows::Certificate);
                    front.announce();
                }
            }
            pending::<()>().await;
        };
        let site = SiteId::new("a.yaml");
        let waiting = wait(&front, &site, "a.test", HOLD, drain.notified(), || shown.get());
        let shows = tokio::select! {
            shows = waiting => shows,
            () = world => unreachable!("it never ends"),
        };
        assert_eq!(front.holds.open(), 0, "the place is given back");
        (shows, began.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_waits_for_what_is_under_way_and_no_longer() {
        let (certificate, placeholder) = (Shows::Certificate, Shows::Placeholder);
        assert_eq!(story(Then::Swapped).await, (certificate, 1000));
        assert_eq!(story(Then::Obtained(Duration::ZERO)).await, (certificate, 1000));
        assert_eq!(story(Then::Obtained(Duration::from_millis(200))).await, (certificate, 1200));
        assert_eq!(story(Then::Failed).await, (placeholder, 1250));
        assert_eq!(story(Then::Drain).await, (placeholder, 1000));
        assert_eq!(story(Then::Nothing).await, (placeholder, 5000));
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_order_or_a_place_nobody_waits() {
        let front = front();
        let began = Instant::now();
        let site = SiteId::new("a.yaml");
        let ask = |host| wait(&front, &site, host, HOLD, pending(), || Shows::Placeholder);
        assert_eq!(ask("a.test").await, Shows::Placeholder);
        let _order = front.door.ordering(vec!["a.test".to_owned()]);
        let places: Vec<_> = std::iter::from_fn(|| front.holds.take(&site)).collect();
        assert_eq!(ask("a.test").await, Shows::Placeholder);
        drop(places);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(ask("a.test").await, Shows::Placeholder);
        assert_eq!(began.elapsed(), HOLD);
    }

    #[tokio::test(start_paused = true)]
    async fn many_handshakes_of_one_host_are_woken_by_one_certificate() {
        let front = front();
        let shown = Cell::new(Shows::Placeholder);
        let _order = front.door.ordering(vec!["a.test".to_owned()]);
        let site = SiteId::new("a.yaml");
        let ask = || wait(&front, &site, "a.test", HOLD, pending(), || shown.get());
        let swap = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            shown.set(Shows::Certificate);
            front.announce();
        };
        let began = Instant::now();
        let (one, two, three, ()) = tokio::join!(ask(), ask(), ask(), swap);
        assert_eq!([one, two, three], [Shows::Certificate; 3]);
        assert_eq!(began.elapsed(), Duration::from_millis(10));
    }
}
