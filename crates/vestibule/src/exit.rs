//! [`Exit`]: how a command ends, in the numbers of sysexits(3), so that scripts and systemd can tell "edit a file" from
//! "ask an administrator" from "try again".

use std::{io, process::ExitCode};

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    /// It worked; warnings do not change that.
    pub(crate) const OK: Self = Self(0);
    /// The command line is wrong.
    pub(crate) const USAGE: Self = Self(64);
    /// What was given cannot be understood by the gateway.
    pub(crate) const DATA: Self = Self(65);
    /// A file or folder that was named is not there.
    pub(crate) const NO_INPUT: Self = Self(66);
    /// No gateway answers, or an address is taken: it may work later.
    pub(crate) const UNAVAILABLE: Self = Self(69);
    /// A bug of ours.
    pub(crate) const SOFTWARE: Self = Self(70);
    /// The operating system failed us.
    pub(crate) const OS: Self = Self(71);
    /// A file cannot be made.
    pub(crate) const CANNOT_CREATE: Self = Self(73);
    /// Reading or writing failed.
    pub(crate) const IO: Self = Self(74);
    /// A CA did not do what it was asked; the gateway goes on trying by itself.
    pub(crate) const TEMPORARY: Self = Self(75);
    /// Not permitted.
    pub(crate) const NO_PERMISSION: Self = Self(77);
    /// Somebody must edit a file.
    pub(crate) const CONFIG: Self = Self(78);

    /// Ended by a signal before the drain was over, as shells count it.
    pub(crate) const fn signal(number: u8) -> Self {
        Self(128 + number)
    }

    /// What failing to read says.
    pub(crate) fn of_reading(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NO_INPUT,
            io::ErrorKind::PermissionDenied => Self::NO_PERMISSION,
            _ => Self::IO,
        }
    }

    /// What failing to write says.
    pub(crate) fn of_writing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NO_PERMISSION,
            _ => Self::CANNOT_CREATE,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn codes_are_those_of_sysexits() {
        let reading = |kind| Exit::of_reading(&Error::from(kind));
        assert_eq!(reading(ErrorKind::NotFound), Exit(66));
        assert_eq!(reading(ErrorKind::PermissionDenied), Exit(77));
        assert_eq!(reading(ErrorKind::UnexpectedEof), Exit(74));
        assert_eq!(Exit::of_writing(&Error::from(ErrorKind::PermissionDenied)), Exit(77));
        assert_eq!(Exit::of_writing(&Error::from(ErrorKind::StorageFull)), Exit(73));
        assert_eq!(Exit::signal(15), Exit(143));
    }
}
