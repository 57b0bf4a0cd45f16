//! [`Explanation`]: what stands between a name and its certificate, step by step, each with what to do.

/// The whole.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The name asked about.
    pub name: String,
    /// In the order in which things must work.
    pub steps: Vec<Step>,
    /// In one sentence: what to do next, or that nothing is to be done.
    pub verdict: String,
}

/// One thing that must work.
#[derive(Clone, Debug)]
pub struct Step {
    /// What was looked at: `claim`, `dns`, `ipv6`, `caa`, `port 80`, `port 443`, `limits`, `ca`, `last attempt`.
    pub subject: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// One sentence: what was found, and what to do if it is not good.
    pub sentence: String,
}

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it must be.
    Good,
    /// Not known, or may be a problem.
    Unclear,
    /// This stands in the way.
    Bad,
}
