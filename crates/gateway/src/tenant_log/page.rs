//! Reads tenants' logs: the last lines, or those after a place. A page is bounded in bytes; a place stays good while the
//! files go from one to the next.

use std::{fmt, io, os::unix::fs::FileExt as _, str::FromStr};

use serde::Deserialize;
use vestibule_names::TenantId;

use super::folder::{Folder, Own, Segment};

/// Bytes that one page looks at.
const PAGE_LIMIT: u64 = 1024 * 1024;
/// Bytes that are looked at for the last lines.
const TAIL_LIMIT: u64 = 4 * 1024 * 1024;

/// A place in a log: the number of a file, and an offset in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    segment: u64,
    offset: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.segment, self.offset)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (segment, offset) = text.split_once('-').ok_or(())?;
        Ok(Self { segment: segment.parse().map_err(drop)?, offset: offset.parse().map_err(drop)? })
    }
}

/// What is wanted of a log.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// After this place; `None`: the last lines.
    pub(crate) after: Option<Cursor>,
    /// How many of the last lines.
    pub(crate) last: usize,
    /// Of this site only.
    pub(crate) site: Option<String>,
}

/// Lines, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) lines: Vec<String>,
    /// Where to go on.
    pub(crate) next: Cursor,
    /// Did the page end before the log did?
    pub(crate) more: bool,
}

/// Reads a page. A tenant without a log has an empty one.
pub(super) fn read(folder: &Folder, tenant: TenantId, wanted: &Wanted) -> io::Result<Page> {
    let Some(own) = folder.of(tenant)? else {
        return Ok(Page { next: wanted.after.unwrap_or_default(), ..Page::default() });
    };
    let segments = own.segments()?;
    match wanted.after {
        Some(cursor) => after(&own, &segments, cursor, PAGE_LIMIT, wanted),
        None => last(&own, &segments, wanted),
    }
}

/// The last lines, as far as they are within the last bytes that are looked at.
fn last(own: &Own, segments: &[Segment], wanted: &Wanted) -> io::Result<Page> {
    let mut from = Cursor::default();
    let mut room = TAIL_LIMIT;
    for segment in segments.iter().rev() {
        from = Cursor { segment: segment.number, offset: segment.size.saturating_sub(room) };
        room = room.saturating_sub(segment.size);
        if room == 0 {
            break;
        }
    }
    let cut = from.offset > 0;
    let mut page = after(own, segments, from, TAIL_LIMIT, wanted)?;
    if cut && wanted.site.is_none() && !page.lines.is_empty() {
        page.lines.remove(0); // begun before what was looked at
    }
    page.lines.drain(..page.lines.len().saturating_sub(wanted.last));
    Ok(page)
}

/// Lines after a place, at most so many bytes of them. A file that is gone is skipped.
fn after(own: &Own, segments: &[Segment], from: Cursor, limit: u64, wanted: &Wanted) -> io::Result<Page> {
    let mut page = Page { lines: Vec::new(), next: from, more: false };
    let mut room = limit;
    for (index, segment) in segments.iter().enumerate().filter(|(_, segment)| segment.number >= from.segment) {
        if room == 0 {
            page.more = true;
            break;
        }
        let offset = if segment.number == from.segment { from.offset.min(segment.size) } else { 0 };
        let length = (segment.size - offset).min(room);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let file = match own.read(segment.number) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match file.read_exact_at(&mut bytes, offset) {
            Ok(()) => {}
            // What a full disk tore was just taken away again.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        room -= length;
        page.next = Cursor { segment: segment.number, offset: offset + whole as u64 };
        let lines = String::from_utf8_lossy(&bytes[..whole]).into_owned();
        page.lines.extend(lines.lines().filter(|line| is_of(line, wanted.site.as_deref())).map(str::to_owned));
        let is_newest = index + 1 == segments.len();
        page.more |= offset + length < segment.size;
        if page.more {
            break;
        }
        if !is_newest {
            page.next = Cursor { segment: segment.number + 1, offset: 0 };
        }
    }
    Ok(page)
}

/// Is it an event of that site?
fn is_of(line: &str, site: Option<&str>) -> bool {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        site: Option<std::borrow::Cow<'a, str>>,
    }
    let Some(site) = site else { return true };
    serde_json::from_str::<Event<'_>>(line).is_ok_and(|event| event.site.as_deref() == Some(site))
}
