//! [`Guests`]: how many connections and questions each user may have at the admin interface. The operator's places are
//! apart from those of tenants, and each tenant's from the others'.
//!
//! Not here: what is answered. Time is an argument.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use vestibule_names::TenantId;

use super::Caller;

/// Connections of the operator that may be open at once.
const OPERATOR_LIMIT: u32 = 64;
/// Connections to the loopback address, whoever's they are.
const ADDRESS_LIMIT: u32 = 16;
/// Connections of all other users together.
const GUESTS_LIMIT: u32 = 64;
/// Connections of one other user.
const GUEST_LIMIT: u32 = 4;
/// Users who are remembered at once: those with a connection, and those who have asked much lately.
const REMEMBERED_LIMIT: usize = 1024;
/// Commands of the operator that may be waited for at once, for each kind: a script that renews many names must not keep a
/// stolen key from being revoked.
const OPERATOR_COMMANDS_LIMIT: u32 = 16;
/// The same of all tenants together, and of one.
const GUESTS_COMMANDS_LIMIT: u32 = 16;
const GUEST_COMMANDS_LIMIT: u32 = 2;
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

/// A user other than the operator.
#[derive(Debug)]
struct Guest {
    open: u32,
    commands: u32,
    questions: Turns,
    orders: Turns,
}

impl Guest {
    fn new(now: Instant) -> Self {
        Self { open: 0, commands: 0, questions: Turns::full(QUESTIONS, now), orders: Turns::full(COMMANDS, now) }
    }

    /// Would a fresh one be the same?
    fn is_forgettable(&mut self, now: Instant) -> bool {
        self.questions.refill(QUESTIONS, now);
        self.orders.refill(COMMANDS, now);
        let whole = |turns: &Turns, rate: Rate| turns.left >= rate.burst;
        self.open == 0 && self.commands == 0 && whole(&self.questions, QUESTIONS) && whole(&self.orders, COMMANDS)
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

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// So many are open already.
    Full(u32),
    /// Asked too often; again after this.
    TooOften(Duration),
}

#[derive(Debug, Default)]
struct Places {
    operator: [u32; 4],
    guests_open: u32,
    guests_commands: u32,
    guests: HashMap<TenantId, Guest>,
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
}

impl Guests {
    /// Takes a place for a connection or a command.
    pub(super) fn enter(&self, caller: Caller, purpose: Purpose, now: Instant) -> Result<Place, Refused> {
        let mut places = self.places.borrow_mut();
        match caller {
            Caller::Operator => {
                let limit = match purpose {
                    Purpose::Connection => OPERATOR_LIMIT,
                    Purpose::Watching => ADDRESS_LIMIT,
                    Purpose::Renewal | Purpose::Command => OPERATOR_COMMANDS_LIMIT,
                };
                take(&mut places.operator[purpose as usize], limit)?;
            }
            Caller::Tenant(tenant) => places.enter_guest(tenant, purpose, now)?,
        }
        drop(places);
        Ok(Place { guests: self.clone(), caller, purpose })
    }

    /// Takes turns for a question of that cost. The operator's are not counted.
    pub(super) fn ask(&self, caller: Caller, cost: u32, now: Instant) -> Result<(), Refused> {
        let Caller::Tenant(tenant) = caller else { return Ok(()) };
        let mut places = self.places.borrow_mut();
        let guest = places.guest(tenant, now)?;
        guest.questions.take(f64::from(cost), QUESTIONS, now).map_err(Refused::TooOften)
    }
}

fn take(open: &mut u32, limit: u32) -> Result<(), Refused> {
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

    fn enter_guest(&mut self, tenant: TenantId, purpose: Purpose, now: Instant) -> Result<(), Refused> {
        let (in_all, limit) = match purpose {
            Purpose::Connection | Purpose::Watching => (self.guests_open, GUESTS_LIMIT),
            Purpose::Renewal | Purpose::Command => (self.guests_commands, GUESTS_COMMANDS_LIMIT),
        };
        if in_all >= limit {
            return Err(Refused::Full(limit));
        }
        let guest = self.guest(tenant, now)?;
        if matches!(purpose, Purpose::Connection | Purpose::Watching) {
            take(&mut guest.open, GUEST_LIMIT)?;
            self.guests_open += 1;
        } else {
            if guest.commands >= GUEST_COMMANDS_LIMIT {
                return Err(Refused::Full(GUEST_COMMANDS_LIMIT));
            }
            guest.orders.take(1.0, COMMANDS, now).map_err(Refused::TooOften)?;
            guest.commands += 1;
            self.guests_commands += 1;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.guests.places.borrow_mut();
        match self.caller {
            Caller::Operator => places.operator[self.purpose as usize] -= 1,
            Caller::Tenant(tenant) => {
                let guest = places.guests.get_mut(&tenant).expect("whoever holds a place is not forgotten");
                if matches!(self.purpose, Purpose::Connection | Purpose::Watching) {
                    guest.open -= 1;
                    places.guests_open -= 1;
                } else {
                    guest.commands -= 1;
                    places.guests_commands -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Caller = Caller::Tenant(TenantId(1001));

    #[test]
    fn a_tenant_crowds_out_neither_the_operator_nor_another() {
        let (guests, now) = (Guests::default(), Instant::now());
        let connect = |caller| guests.enter(caller, Purpose::Connection, now);
        let mut held: Vec<_> = (0..GUEST_LIMIT).map(|_| connect(ANN).expect("a place")).collect();
        assert_eq!(connect(ANN).expect_err("no place"), Refused::Full(GUEST_LIMIT));
        for uid in 2000.. {
            match connect(Caller::Tenant(TenantId(uid))) {
                Ok(place) => held.push(place),
                Err(refused) => {
                    assert_eq!(refused, Refused::Full(GUESTS_LIMIT));
                    break;
                }
            }
        }
        assert_eq!(held.len(), GUESTS_LIMIT as usize);
        held.extend((0..OPERATOR_LIMIT).map(|_| connect(Caller::Operator).expect("the operator's places are apart")));
        assert!(connect(Caller::Operator).is_err());
        drop(held);
        assert!(connect(ANN).is_ok() && connect(Caller::Operator).is_ok(), "places come back");
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
