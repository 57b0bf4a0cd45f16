//! [`Lull`]: what is gathered is written when nobody brings more. Answers of backends come one by one while the run time
//! looks for events; each written by itself costs a system call, a record of TLS and a segment.

use std::{
    future::Future as _,
    pin::pin,
    task::{Context, Poll},
};

/// Looks for events, each of which has brought something, that the first bytes wait for.
const LOOKS: u8 = 8;
/// What fills a record of TLS does not wait (RFC 8446 section 5.1).
const RECORD: usize = 16 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lull {
    looks: u8,
    /// What there was at the last look.
    gathered: usize,
}

impl Lull {
    /// Is it time to write so many bytes? If not, the task is woken after the next look for events. Once they are written,
    /// [`Lull::end`] is to be called.
    pub(super) fn poll(&mut self, gathered: usize, cx: &mut Context<'_>) -> Poll<()> {
        if gathered <= self.gathered || gathered >= RECORD || self.looks == LOOKS {
            return Poll::Ready(());
        }
        *self = Self { looks: self.looks + 1, gathered };
        // The run time keeps the waker until it has looked, whatever becomes of this.
        pin!(tokio::task::yield_now()).poll(cx)
    }

    /// Something is written.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(lull: &mut Lull, gathered: usize) -> bool {
        lull.poll(gathered, &mut Context::from_waker(std::task::Waker::noop())).is_pending()
    }

    #[test]
    fn what_is_gathered_waits_as_long_as_each_look_brings_more() {
        let mut lull = Lull::default();
        assert!(!waits(&mut lull, 0), "nothing to wait with");
        assert!(waits(&mut lull, 10) && waits(&mut lull, 20));
        assert!(!waits(&mut lull, 20));
        lull.end();
        assert!(waits(&mut lull, 5), "it begins anew");
    }

    #[test]
    fn nothing_waits_for_long_and_a_full_record_does_not_wait() {
        let mut lull = Lull::default();
        assert_eq!((1..).take_while(|gathered| waits(&mut lull, *gathered)).count(), usize::from(LOOKS));
        lull.end();
        assert!(!waits(&mut lull, RECORD));
        assert!(waits(&mut lull, RECORD - 1) && !waits(&mut lull, RECORD));
    }
}
