//! Which bytes may stand where: tables, so that one look decides.

/// RFC 9110 section 5.6.2: `tchar`.
pub(crate) const TOKEN: u8 = 1;
/// RFC 3986: what a target may hold, percent signs included; no fragment.
pub(crate) const TARGET: u8 = 2;
/// What the path of a target may hold.
pub(crate) const PATH: u8 = 4;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let it = byte as u8;
        let mut class = 0;
        if it.is_ascii_alphanumeric() || contains(b"!#$%&'*+-.^_`|~", it) {
            class |= TOKEN;
        }
        // Browsers send `| ^ ` { }` unencoded in queries; they have one meaning only, and are forwarded as they are.
        if it.is_ascii_alphanumeric() || contains(b"-._~:/?[]@!$&'()*+,;=%|^`{}", it) {
            class |= TARGET;
            // Nobody sends this one in a path, and common parsers take it in queries only.
            if it != b'`' {
                class |= PATH;
            }
        }
        classes[byte] = class;
        byte += 1;
    }
    classes
}

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// Is every byte of this class?
pub(crate) fn all(text: &[u8], class: u8) -> bool {
    text.iter().all(|byte| CLASSES[usize::from(*byte)] & class != 0)
}

/// How many bytes of a token stand in front.
pub(crate) fn token_length(text: &[u8]) -> usize {
    text.iter().position(|byte| CLASSES[usize::from(*byte)] & TOKEN == 0).unwrap_or(text.len())
}

/// RFC 9110 section 5.5: `field-content`, with `obs-text`, and the tab. All bytes are looked at, many at once.
pub(crate) fn is_value(text: &[u8]) -> bool {
    text.iter().fold(true, |so_far, byte| so_far & (*byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)))
}

/// A token of at least one byte.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && all(text, TOKEN)
}

/// Without blanks and tabs around it: the optional white space of RFC 9110 section 5.6.3.
pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}
