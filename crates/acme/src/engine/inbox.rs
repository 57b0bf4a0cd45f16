//! [`Inbox`]: what lies between the handles on all threads and the engine on its own. Handles put in and never wait; the
//! engine takes out. Of a site only the latest word counts, so that the inbox is bounded by the number of sites.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};
use vestibule_certs::store::Issued;
use vestibule_names::{HostPattern, SiteId, TenantId};

use super::tally::Published;
use crate::{
    config::SiteOptions,
    explain::Explanation,
    plan::{Forecast, NameStatus},
};

/// Questions that wait for the engine at once; beyond that they have no answer.
const QUESTIONS_LIMIT: usize = 256;

/// Shared by the engine and its handles.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    content: Mutex<Content>,
    published: Mutex<Arc<Published>>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Content {
    /// Where the latest word of a site stands in `changes`.
    places: HashMap<SiteId, u64>,
    changes: BTreeMap<u64, Change>,
    next_place: u64,
    questions: VecDeque<Question>,
    standing: Standing,
}

/// How far the engine and the first scan are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// The first scan goes on.
    #[default]
    Arriving,
    /// All wants of the first scan are in.
    Ready,
    /// The engine shall end, or has ended.
    Stopping,
}

/// What a site says.
#[derive(Debug)]
pub(super) enum Change {
    /// It wants this.
    Want(SiteId, Wanted),
    /// It is gone.
    Unwant(SiteId),
}

/// What a site wants.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) tenant: TenantId,
    pub(super) names: Vec<HostPattern>,
    /// `None`: it says nothing.
    pub(super) options: Option<Box<SiteOptions>>,
}

impl Wanted {
    pub(super) fn new(tenant: TenantId, names: Vec<HostPattern>, options: SiteOptions) -> Self {
        let options = (options != SiteOptions::NONE).then(|| Box::new(options));
        Self { tenant, names, options }
    }

    pub(super) fn options(&self) -> &SiteOptions {
        self.options.as_deref().unwrap_or(&SiteOptions::NONE)
    }
}

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<T>;

/// What handles ask.
pub(super) enum Question {
    Status { sites: Vec<SiteId>, reply: Reply<Vec<NameStatus>> },
    Explain { name: HostPattern, reply: Reply<Explanation> },
    Forecast { reply: Reply<Forecast> },
    Renew { name: HostPattern, reply: Reply<Result<Issued, String>> },
    Revoke { name: HostPattern, reason: u8, reply: Reply<Result<Issued, String>> },
    Import { tenant: TenantId, chain_pem: Vec<u8>, key_pem: Vec<u8>, reply: Reply<Result<Issued, String>> },
    RollOver { reply: Reply<Result<(), String>> },
}

/// Its word alone: an import brings a key.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status { .. } => "Status",
            Self::Explain { .. } => "Explain",
            Self::Forecast { .. } => "Forecast",
            Self::Renew { .. } => "Renew",
            Self::Revoke { .. } => "Revoke",
            Self::Import { .. } => "Import",
            Self::RollOver { .. } => "RollOver",
        })
    }
}

impl Change {
    fn site(&self) -> &SiteId {
        match self {
            Self::Want(site, _) | Self::Unwant(site) => site,
        }
    }
}

impl Inbox {
    /// Notes what a site says now, in place of what it said before and the engine has not seen.
    pub(super) fn change(&self, change: Change) {
        let mut content = self.content();
        if content.standing == Standing::Stopping {
            return;
        }
        let place = content.next_place;
        content.next_place += 1;
        if let Some(earlier) = content.places.insert(change.site().clone(), place) {
            content.changes.remove(&earlier);
        }
        content.changes.insert(place, change);
        self.wake.notify_one();
    }

    /// Puts a question; one that has no room, or comes after the end, is dropped, and with it the way of its answer.
    pub(super) fn ask(&self, question: Question) {
        let mut content = self.content();
        if content.standing != Standing::Stopping && content.questions.len() < QUESTIONS_LIMIT {
            content.questions.push_back(question);
            self.wake.notify_one();
        }
    }

    /// Goes on to that standing; there is no way back.
    pub(super) fn advance(&self, standing: Standing) {
        let mut content = self.content();
        if content.standing == Standing::Stopping {
            return;
        }
        content.standing = standing;
        if standing == Standing::Stopping {
            content.changes.clear();
            content.places.clear();
            content.questions.clear();
        }
        self.wake.notify_one();
    }

    /// How far it is. [`Standing::Ready`] only when the engine has taken all changes that came before.
    pub(super) fn standing(&self) -> Standing {
        let content = self.content();
        match content.standing {
            Standing::Ready if !content.changes.is_empty() => Standing::Arriving,
            standing => standing,
        }
    }

    /// The earliest changes, at most so many.
    pub(super) fn changes(&self, limit: usize) -> Vec<Change> {
        let mut content = self.content();
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((_, change)) = content.changes.pop_first()
        {
            content.places.remove(change.site());
            taken.push(change);
        }
        taken
    }

    /// The earliest questions, at most so many.
    pub(super) fn questions(&self, limit: usize) -> Vec<Question> {
        let mut content = self.content();
        let count = content.questions.len().min(limit);
        content.questions.drain(..count).collect()
    }

    /// Is there something that the engine has not taken?
    pub(super) fn has_more(&self) -> bool {
        let content = self.content();
        !content.changes.is_empty() || !content.questions.is_empty()
    }

    /// Ends when something was put in since the last time.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(super) fn publish(&self, published: Published) {
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
    }

    pub(super) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Held for a few moves of memory only.
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's hold on its inbox: when it goes, whoever still asks is told that there is no answer.
#[derive(Debug)]
pub(super) struct Owner(pub(super) Arc<Inbox>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.advance(Standing::Stopping);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwant(site: &str) -> Change {
        Change::Unwant(SiteId::new(site))
    }

    fn want(site: &str, tenant: u32) -> Change {
        let wanted = Wanted::new(TenantId(tenant), Vec::new(), SiteOptions::default());
        Change::Want(SiteId::new(site), wanted)
    }

    fn words(changes: &[Change]) -> Vec<String> {
        let word = |change: &Change| match change {
            Change::Want(site, wanted) => format!("{site} {}", wanted.tenant.0),
            Change::Unwant(site) => format!("{site} gone"),
        };
        changes.iter().map(word).collect()
    }

    #[test]
    fn of_a_site_the_latest_word_counts_in_the_order_of_latest_words() {
        let inbox = Inbox::default();
        for change in [want("a", 1), want("b", 1), unwant("b"), want("c", 1), want("a", 2)] {
            inbox.change(change);
        }
        assert_eq!(words(&inbox.changes(2)), ["b gone", "c 1"]);
        inbox.change(unwant("c"));
        assert_eq!(words(&inbox.changes(9)), ["a 2", "c gone"]);
        assert!(!inbox.has_more());
    }

    #[test]
    fn it_is_ready_when_the_changes_before_have_been_taken() {
        let inbox = Inbox::default();
        inbox.change(want("a", 1));
        inbox.advance(Standing::Ready);
        assert_eq!(inbox.standing(), Standing::Arriving);
        let _ = inbox.changes(1);
        assert_eq!(inbox.standing(), Standing::Ready);
    }

    #[test]
    fn after_the_end_nothing_is_taken_in_and_questions_lose_their_answers() {
        let inbox = Arc::new(Inbox::default());
        let (reply, mut answer) = oneshot::channel();
        inbox.ask(Question::Forecast { reply });
        drop(Owner(Arc::clone(&inbox)));
        assert!(answer.try_recv().is_err());
        inbox.change(want("a", 1));
        inbox.advance(Standing::Ready);
        assert!(!inbox.has_more());
        assert_eq!(inbox.standing(), Standing::Stopping);
    }

    #[test]
    fn a_key_that_is_imported_is_in_no_debug_line() {
        let (reply, _answer) = oneshot::channel();
        let import = Question::Import { tenant: TenantId(1), chain_pem: vec![65], key_pem: vec![66], reply };
        assert_eq!(format!("{import:?}"), "Import");
    }

    #[test]
    fn questions_are_bounded() {
        let inbox = Inbox::default();
        let answers: Vec<_> = (0..=QUESTIONS_LIMIT)
            .map(|_| {
                let (reply, answer) = oneshot::channel();
                inbox.ask(Question::RollOver { reply });
                answer
            })
            .collect();
        let mut taken = 0;
        while inbox.has_more() {
            taken += inbox.questions(100).len();
        }
        assert_eq!((taken, answers.len()), (QUESTIONS_LIMIT, QUESTIONS_LIMIT + 1));
    }
}
