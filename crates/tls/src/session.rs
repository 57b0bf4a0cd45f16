//! [`Session`]: ciphertext in, plaintext out, and the reverse, without a network.
//!
//! What rustls' unbuffered interface leaves to its caller, and where it is done here: to keep what it could not use yet
//! ([`Unread`]) and to bound that; to ask again until it has nothing more to tell ([`Session::receive`]); to send alerts
//! when it has failed, and never to ask it again after that ([`Session::fail`]); to read nothing behind a close_notify.

use std::{io, sync::Arc};

use rustls::{
    CommonState, Error, InvalidMessage, ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{
        ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
        WriteTraffic,
    },
};
use tokio::io::ReadBuf;

use crate::{pending::Pending, unread::Unread};

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What the client said is no TLS, or not what we agree to.
    #[error(transparent)]
    Tls(Error),
    /// The bytes end without a close_notify: in the middle of a handshake, or cut off (RFC 8446 section 6.1).
    #[error("the connection ended without close_notify")]
    Cut,
    /// The network failed.
    #[error(transparent)]
    Network(#[from] io::Error),
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Tls(error) => Self::new(io::ErrorKind::InvalidData, error),
            Fault::Cut => Self::new(io::ErrorKind::UnexpectedEof, Fault::Cut),
            Fault::Network(error) => error,
        }
    }
}

/// The most ciphertext that is kept of a handshake message whose end has not come. The largest message that rustls takes
/// is as long; whoever cuts one into tiny records gets less of it through.
const UNREAD_LIMIT: usize = 0xffff;

/// A connection between two pairs of bytes.
pub(crate) struct Session {
    rustls: UnbufferedServerConnection,
    unread: Unread,
    plaintext: Pending,
    unsent: Pending,
    has_client_ended: bool,
    failure: Option<Box<Error>>,
}

/// Where what rustls has to tell goes.
struct Told<'a, 'b, 'c> {
    reader: Option<&'a mut ReadBuf<'b>>,
    plaintext: &'c mut Pending,
    unsent: &'c mut Pending,
    has_client_ended: &'c mut bool,
}

impl Session {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self {
            rustls: UnbufferedServerConnection::new(config)?,
            unread: Unread::default(),
            plaintext: Pending::default(),
            unsent: Pending::default(),
            has_client_ended: false,
            failure: None,
        })
    }

    /// What was negotiated.
    pub(crate) fn state(&self) -> &CommonState {
        &self.rustls
    }

    /// Will no more plaintext come, in good order?
    pub(crate) fn has_client_ended(&self) -> bool {
        self.has_client_ended
    }

    /// Nothing goes on after a failure.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.failure.as_ref().map_or(Ok(()), |error| Err(Fault::Tls(Error::clone(error))))
    }

    /// Plaintext that waits goes to the reader; was there any?
    pub(crate) fn deliver(&mut self, reader: &mut ReadBuf<'_>) -> bool {
        let count = self.plaintext.bytes().len().min(reader.remaining());
        reader.put_slice(&self.plaintext.bytes()[..count]);
        self.plaintext.take(count);
        count > 0
    }

    /// Ciphertext that waits to be sent.
    pub(crate) fn unsent(&mut self) -> &mut Pending {
        &mut self.unsent
    }

    /// Where in a buffer the ciphertext belongs that is read next: what is before belongs to the session.
    pub(crate) fn room_before(&self) -> usize {
        self.unread.room_before()
    }

    /// Reads all that can be read of the ciphertext in the buffer, whose new part begins at [`Session::room_before`]. The
    /// plaintext goes to the reader; what has no room there waits, and is no longer than what was read.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], reader: Option<&mut ReadBuf<'_>>) -> Result<(), Fault> {
        self.check()?;
        if self.has_client_ended {
            return Ok(()); // RFC 8446 section 6.1: any data behind the end is ignored
        }
        let Self { rustls, unread, plaintext, unsent, has_client_ended, .. } = self;
        let mut result = Ok(());
        unread.read_with(buffer, |bytes| {
            let mut told = Told { reader, plaintext, unsent, has_client_ended };
            let (used, read) = advance(rustls, bytes, &mut told);
            result = read;
            used
        });
        match result {
            Ok(()) if self.unread.len() > UNREAD_LIMIT => {
                Err(self.fail(InvalidMessage::HandshakePayloadTooLarge.into()))
            }
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Encrypts into the buffer from `at` on, which is made longer if need be. Returns where the ciphertext ends.
    pub(crate) fn seal(&mut self, plaintext: &[u8], buffer: &mut Vec<u8>, at: usize) -> Result<usize, Fault> {
        let sealed = self.write_with(|traffic| {
            loop {
                match traffic.encrypt(plaintext, &mut buffer[at..]) {
                    Ok(count) => return Ok(at + count),
                    Err(EncryptError::InsufficientSize(size)) => buffer.resize(at + size.required_size, 0),
                    Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
                }
            }
        })?;
        sealed.map_err(|error| self.fail(error))
    }

    /// Says that nothing more will be written, and nothing if something fatal was said.
    pub(crate) fn say_end(&mut self) -> Result<(), Fault> {
        if self.failure.is_some() {
            return Ok(());
        }
        let mut alert = Vec::new();
        let said = self.write_with(|traffic| {
            // It says first how long it is.
            if let Err(EncryptError::InsufficientSize(size)) = traffic.queue_close_notify(&mut alert) {
                alert.resize(size.required_size, 0);
                return traffic.queue_close_notify(&mut alert).map_err(|_| Error::EncryptError);
            }
            Ok(0)
        })?;
        let count = said.map_err(|error| self.fail(error))?;
        self.unsent.push(&alert[..count]);
        Ok(())
    }

    /// Asks rustls to write, of which it is capable after the handshake.
    fn write_with<T>(
        &mut self,
        write: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> T,
    ) -> Result<T, Fault> {
        self.check()?;
        self.send_queued();
        // With what it has seen before, so that it finds its place in it.
        match self.rustls.process_tls_records(self.unread.bytes()).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => Ok(write(&mut traffic)),
            Ok(_) => Err(self.fail(Error::HandshakeNotComplete)),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// After this, rustls is only asked for what it has to say to the client.
    fn fail(&mut self, error: Error) -> Fault {
        self.send_queued();
        self.unread = Unread::default();
        self.failure = Some(Box::new(error.clone()));
        Fault::Tls(error)
    }

    /// Takes what rustls wants to have sent. It comes before anything is read.
    fn send_queued(&mut self) {
        while self.rustls.wants_write() {
            let status = self.rustls.process_tls_records(self.unread.bytes());
            let Ok(ConnectionState::EncodeTlsData(data)) = status.state else { return };
            if encode(data, &mut self.unsent).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
impl Session {
    pub(crate) fn held(&self) -> usize {
        self.unread.len() + self.plaintext.bytes().len() + self.unsent.bytes().len()
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.unread.capacity() + self.plaintext.capacity() + self.unsent.capacity() == 0
    }
}

/// Has rustls read as far as it can. Returns how many of the bytes are used up, also if it fails.
fn advance(
    rustls: &mut UnbufferedServerConnection,
    bytes: &mut [u8],
    told: &mut Told<'_, '_, '_>,
) -> (usize, Result<(), Error>) {
    let mut used = 0;
    loop {
        let UnbufferedStatus { mut discard, state } = rustls.process_tls_records(&mut bytes[used..]);
        let step = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut read = Ok(Step::Again);
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            told.plaintext(record.payload);
                        }
                        Err(error) => read = Err(error),
                    }
                }
                read
            }
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, told.unsent).map(|()| Step::Again),
            Ok(ConnectionState::TransmitTlsData(sending)) => {
                sending.done(); // what was encoded is sent in its order
                Ok(Step::Again)
            }
            Ok(ConnectionState::PeerClosed) => {
                *told.has_client_ended = true;
                return (bytes.len(), Ok(()));
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) | ConnectionState::Closed) => {
                Ok(Step::Done)
            }
            Ok(_) => Err(Error::General("early data, which is not turned on".into())),
            Err(error) => Err(error),
        };
        used += discard;
        match step {
            Ok(Step::Again) => {}
            Ok(Step::Done) => return (used, Ok(())),
            Err(error) => return (used, Err(error)),
        }
    }
}

enum Step {
    Again,
    Done,
}

impl Told<'_, '_, '_> {
    fn plaintext(&mut self, mut bytes: &[u8]) {
        if let Some(reader) = self.reader.as_mut().filter(|_| self.plaintext.is_empty()) {
            let (now, later) = bytes.split_at(bytes.len().min(reader.remaining()));
            reader.put_slice(now);
            bytes = later;
        }
        self.plaintext.push(bytes);
    }
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, unsent: &mut Pending) -> Result<(), Error> {
    let error = |error: EncodeError| Error::General(error.to_string());
    match data.encode(&mut []) {
        Ok(_) => Ok(()), // of no length
        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
            unsent.push_with(required_size, |room| data.encode(room)).map_err(error)
        }
        Err(other) => Err(error(other)),
    }
}
