//! [`refusal`]: what a fault in a head is called. The answer to it is the last one on its connection, in its place behind
//! the answers to what came before it; nothing that follows is read as a request.

use vestibule_proxy::Refusal;
use vestibule_wire::Fault;

/// What a fault is called.
pub(super) fn refusal(fault: Fault) -> Refusal {
    match fault {
        Fault::Length | Fault::Coding | Fault::BothLengths => Refusal::BadFraming,
        Fault::UnknownCoding => Refusal::UnsupportedCoding,
        Fault::FieldName | Fault::FieldValue | Fault::Folded => Refusal::BadHeader,
        Fault::TooManyFields | Fault::HeadTooLarge => Refusal::HeadersTooLarge,
        Fault::TargetTooLong => Refusal::UriTooLong,
        Fault::Target => Refusal::BadPath,
        Fault::Authority => Refusal::BadHost,
        Fault::Connect => Refusal::MethodNotAllowed,
        _ => Refusal::BadRequest,
    }
}
