//! [`Guests`]: how many connections and questions each user may have at the admin interface. The operator's places are
//! apart from those of tenants, and each tenant's from the others'. When all places of tenants are taken, whoever has none
//! gets that of somebody who has several: see [`Places::make_way`].
//!
//! Not here: what is answered. Time is an argument.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use vestibule_names::TenantId;

use super::Caller;

/// Connections of the operator that may be open at once.
const OPERATOR_LIMIT: usize = 64;
/// Connections to the loopback address, whoever's they are.
const ADDRESS_LIMIT: usize = 16;
/// Connections of all other users together.
const GUESTS_LIMIT: usize = 64;
/// Connections of one other user.
const GUEST_LIMIT: usize = 4;
/// Users who are remembered at once: those with a connection, and those who have asked much lately.
const REMEMBERED_LIMIT: usize = 1024;
/// Commands of the operator that may be waited for at once, for each kind: a script that renews many names must not keep a
/// stolen key from being revoked.
const OPERATOR_COMMANDS_LIMIT: usize = 16;
/// The same of all tenants together, and of one.
const GUESTS_COMMANDS_LIMIT: usize = 16;
const GUEST_COMMANDS_LIMIT: usize = 2;
/// What one user may ask at once, in cheap questions, and how many more each second brings.
const QUESTIONS: Rate = Rate { burst: 60.0, per_second: 20.0 };
/// Commands that one tenant may give: they ask a CA, whose limits everybody shares.
const COMMANDS: Rate = Rate { burst: 10.0, per_second: 1.0 / 300.0 };

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: f64,
    per_second: f64,
}

/// What is left of a rate.
#[derive(Debug, Clone, Copy)]
struct Turns {
    left: f64,
    at: Instant,
}

impl Turns {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { left: rate.burst, at: now }
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left, self.at) = ((self.left + passed * rate.per_second).min(rate.burst), now);
    }

    /// Takes turns, or says how long to wait for them.
    fn take(&mut self, cost: f64, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.refill(rate, now);
        if self.left < cost {
            return Err(Duration::from_secs_f64((cost - self.left) / rate.per_second));
        }
        self.left -= cost;
        Ok(())
    }
}

/// The number of a connection: a later one is greater.
type Ticket = u64;

/// A user other than the operator.
#[derive(Debug)]
struct Guest {
    /// Its connections, the longest open first.
    open: BTreeMap<Ticket, Rc<Notify>>,
    commands: usize,
    questions: Turns,
    orders: Turns,
}

impl Guest {
    fn new(now: Instant) -> Self {
        Self {
            open: BTreeMap::new(),
            commands: 0,
            questions: Turns::full(QUESTIONS, now),
            orders: Turns::full(COMMANDS, now),
        }
    }

    /// Would a fresh one be the same?
    fn is_forgettable(&mut self, now: Instant) -> bool {
        self.questions.refill(QUESTIONS, now);
        self.orders.refill(COMMANDS, now);
        let whole = |turns: &Turns, rate: Rate| turns.left >= rate.burst;
        self.open.is_empty() && self.commands == 0 && whole(&self.questions, QUESTIONS) && whole(&self.orders, COMMANDS)
    }
}

/// What a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A connection.
    Connection,
    /// A connection to the loopback address. It counts as the operator's, apart from those over the sockets.
    Watching,
    /// A renewal that is waited for.
    Renewal,
    /// Another command that is waited for.
    Command,
}

impl Purpose {
    fn is_command(self) -> bool {
        matches!(self, Self::Renewal | Self::Command)
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// So many are open already.
    Full(usize),
    /// Asked too often; again after this.
    TooOften(Duration),
}

#[derive(Debug, Default)]
struct Places {
    operator: [usize; 4],
    guests_open: usize,
    guests_commands: usize,
    guests: HashMap<TenantId, Guest>,
    next: Ticket,
}

/// A tenant's connection.
#[derive(Debug)]
struct Seat {
    ticket: Ticket,
    /// Told when the connection has to make way.
    way: Rc<Notify>,
}

/// Who has what. Cheap to clone; of one thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Guests {
    places: Rc<RefCell<Places>>,
}

/// A place, given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    guests: Guests,
    caller: Caller,
    purpose: Purpose,
    /// Of a tenant's connection.
    seat: Option<Seat>,
}

impl Place {
    /// Waits until somebody who has no connection needs this one.
    pub(super) async fn has_to_make_way(&self) {
        match &self.seat {
            Some(seat) => seat.way.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Guests {
    /// Takes a place for a connection or a command.
    pub(super) fn enter(&self, caller: Caller, purpose: Purpose, now: Instant) -> Result<Place, Refused> {
        let mut places = self.places.borrow_mut();
        let seat = match caller {
            Caller::Operator => {
                let limit = match purpose {
                    Purpose::Connection => OPERATOR_LIMIT,
                    Purpose::Watching => ADDRESS_LIMIT,
                    Purpose::Renewal | Purpose::Command => OPERATOR_COMMANDS_LIMIT,
                };
                take(&mut places.operator[purpose as usize], limit)?;
                None
            }
            Caller::Tenant(tenant) if purpose.is_command() => {
                places.begin_command(tenant, now)?;
                None
            }
            Caller::Tenant(tenant) => Some(places.seat(tenant, now)?),
        };
        drop(places);
        Ok(Place { guests: self.clone(), caller, purpose, seat })
    }

    /// Takes turns for a question of that cost. The operator's are not counted.
    pub(super) fn ask(&self, caller: Caller, cost: u32, now: Instant) -> Result<(), Refused> {
        let Caller::Tenant(tenant) = caller else { return Ok(()) };
        let mut places = self.places.borrow_mut();
        let guest = places.guest(tenant, now)?;
        guest.questions.take(f64::from(cost), QUESTIONS, now).map_err(Refused::TooOften)
    }
}

fn take(open: &mut usize, limit: usize) -> Result<(), Refused> {
    if *open >= limit {
        return Err(Refused::Full(limit));
    }
    *open += 1;
    Ok(())
}

impl Places {
    fn guest(&mut self, tenant: TenantId, now: Instant) -> Result<&mut Guest, Refused> {
        if self.guests.len() >= REMEMBERED_LIMIT && !self.guests.contains_key(&tenant) {
            self.guests.retain(|_, guest| !guest.is_forgettable(now));
            if self.guests.len() >= REMEMBERED_LIMIT {
                return Err(Refused::TooOften(Duration::from_secs(1)));
            }
        }
        Ok(self.guests.entry(tenant).or_insert_with(|| Guest::new(now)))
    }

    /// A place for a connection of a tenant's.
    fn seat(&mut self, tenant: TenantId, now: Instant) -> Result<Seat, Refused> {
        let own = self.guest(tenant, now)?.open.len();
        if own >= GUEST_LIMIT {
            return Err(Refused::Full(own));
        }
        if self.guests_open >= GUESTS_LIMIT {
            if own > 0 {
                return Err(Refused::Full(GUESTS_LIMIT));
            }
            self.make_way();
        }
        let seat = Seat { ticket: self.next, way: Rc::default() };
        self.next += 1;
        self.guests_open += 1;
        self.guest(tenant, now)?.open.insert(seat.ticket, Rc::clone(&seat.way));
        Ok(seat)
    }

    /// Ends the longest open connection of whoever has most of them; where all have one, the longest open of all. So whoever
    /// has none gets one, however many users hold all they can.
    fn make_way(&mut self) {
        let rank = |guest: &Guest| Some((guest.open.len(), Reverse(*guest.open.first_key_value()?.0)));
        let most = self.guests.values_mut().max_by_key(|guest| rank(guest));
        if let Some((_, way)) = most.and_then(|guest| guest.open.pop_first()) {
            way.notify_one();
            self.guests_open -= 1;
        }
    }

    fn begin_command(&mut self, tenant: TenantId, now: Instant) -> Result<(), Refused> {
        if self.guests_commands >= GUESTS_COMMANDS_LIMIT {
            return Err(Refused::Full(GUESTS_COMMANDS_LIMIT));
        }
        let guest = self.guest(tenant, now)?;
        if guest.commands >= GUEST_COMMANDS_LIMIT {
            return Err(Refused::Full(GUEST_COMMANDS_LIMIT));
        }
        guest.orders.take(1.0, COMMANDS, now).map_err(Refused::TooOften)?;
        guest.commands += 1;
        self.guests_commands += 1;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.guests.places.borrow_mut();
        let Caller::Tenant(tenant) = self.caller else {
            places.operator[self.purpose as usize] -= 1;
            return;
        };
        match &self.seat {
            Some(seat) => {
                // Who has made way has given it back already, and may be forgotten.
                let guest = places.guests.get_mut(&tenant);
                if guest.is_some_and(|guest| guest.open.remove(&seat.ticket).is_some()) {
                    places.guests_open -= 1;
                }
            }
            None => {
                let guest = places.guests.get_mut(&tenant).expect("whoever gives a command is not forgotten");
                guest.commands -= 1;
                places.guests_commands -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    const ANN: Caller = Caller::Tenant(TenantId(1001));

    #[test]
    fn a_tenant_crowds_out_neither_the_operator_nor_another() {
        let (guests, now) = (Guests::default(), Instant::now());
        let connect = |caller| guests.enter(caller, Purpose::Connection, now);
        let mut held: Vec<_> = (0..GUEST_LIMIT).map(|_| connect(ANN).expect("a place")).collect();
        assert_eq!(connect(ANN).expect_err("no place"), Refused::Full(GUEST_LIMIT));
        for uid in 2000.. {
            if held.len() == GUESTS_LIMIT {
                break;
            }
            held.push(connect(Caller::Tenant(TenantId(uid))).expect("a place"));
        }
        held.extend((0..OPERATOR_LIMIT).map(|_| connect(Caller::Operator).expect("the operator's places are apart")));
        assert!(connect(Caller::Operator).is_err());
        drop(held);
        assert!(connect(ANN).is_ok() && connect(Caller::Operator).is_ok(), "places come back");
    }

    #[test]
    fn whoever_has_no_connection_gets_one_however_many_hold_all_they_can() {
        let (guests, now) = (Guests::default(), Instant::now());
        let tenant = |uid| Caller::Tenant(TenantId(uid));
        let connect = |uid| guests.enter(tenant(uid), Purpose::Connection, now);
        let makes_way = |place: &Place| {
            let mut told = pin!(place.has_to_make_way());
            told.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };
        let crowd: Vec<_> = (0..64).map(|n| connect(2000 + n / 4).expect("a place")).collect();
        assert!(!crowd.iter().any(makes_way));
        assert_eq!(connect(2000).expect_err("four are open"), Refused::Full(GUEST_LIMIT));
        // One after the other, each of the crowd gives a connection, its longest open one.
        let mut fresh: Vec<_> = (0..16).map(|n| connect(3000 + n).expect("a place, always")).collect();
        let gone: Vec<_> = (0..64).filter(|n| makes_way(&crowd[*n])).collect();
        assert_eq!(gone, (0..64).step_by(4).collect::<Vec<_>>());
        // Who has one waits for another; who lost one does too.
        for uid in [3000, 2000] {
            assert_eq!(connect(uid).expect_err("has one"), Refused::Full(GUESTS_LIMIT));
        }
        // Where nobody has more than one, the longest open one of all makes way: never more than there is room for.
        fresh.extend((0..200).map(|n| connect(4000 + n).expect("a place, always")));
        assert_eq!(guests.places.borrow().guests_open, GUESTS_LIMIT);
        assert!(!makes_way(fresh.last().expect("many")) && crowd.iter().skip(1).step_by(4).all(makes_way));
        drop((crowd, fresh));
        let places = guests.places.borrow();
        assert_eq!((places.guests_open, places.guests.values().map(|guest| guest.open.len()).sum()), (0, 0));
    }

    #[test]
    fn questions_and_commands_have_rates() {
        let (guests, now) = (Guests::default(), Instant::now());
        let asked = (0..).take_while(|_| guests.ask(ANN, 1, now).is_ok()).take(1000).count();
        assert_eq!(asked, 60);
        assert!(guests.ask(ANN, 1, now + Duration::from_secs(1)).is_ok());
        assert!((0..1000).all(|_| guests.ask(Caller::Operator, 1, now).is_ok()));
        for _ in 0..10 {
            drop(guests.enter(ANN, Purpose::Renewal, now).expect("within the rate"));
        }
        assert!(matches!(guests.enter(ANN, Purpose::Command, now), Err(Refused::TooOften(_))));
        assert!(guests.enter(ANN, Purpose::Command, now + Duration::from_secs(301)).is_ok());
    }

    #[test]
    fn who_is_remembered_is_bounded_and_forgotten() {
        let (guests, now) = (Guests::default(), Instant::now());
        for uid in 0..5000 {
            let _ = guests.ask(Caller::Tenant(TenantId(10_000 + uid)), 1, now);
            assert!(guests.places.borrow().guests.len() <= REMEMBERED_LIMIT);
        }
        assert!(guests.ask(ANN, 1, now).is_err());
        assert!(guests.ask(ANN, 1, now + Duration::from_secs(10)).is_ok());
        assert_eq!(guests.places.borrow().guests.len(), 1);
    }
}
