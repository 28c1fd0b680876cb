//! Frames: the relay's buffer against a model of it, the account of what is owed against a model of a server, and the
//! readers of ErrorResponse.
//!
//! The first byte of an input says which; the rest is the input.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Write as _};

use pgask::wire::buffer::Buffer;
use pgask::wire::exchange::{Exchange, Fate, Sent, Verdict};
use pgask::wire::frame::{HEADER_BYTES, Header, split_cstr, tag};
use pgask::wire::message;
use pgask::wire::stream::Stream;

/// Bytes of input that are played at most; more of them find nothing new and cost time.
const INPUT_BYTES_MAX: usize = 16 * 1024;

/// Tries one input.
pub(crate) fn check(data: &[u8]) {
    let data = &data[..data.len().min(INPUT_BYTES_MAX)];
    let Some((&kind, data)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => errors(data),
        1 => relay(data),
        _ => account(data),
    }
}

/// Reading fields of an error, and adding one.
fn errors(frame: &[u8]) {
    if let Some(header) = Header::read_backend(frame) {
        assert!(header.frame_bytes >= HEADER_BYTES);
    }
    if let Some((text, rest)) = split_cstr(frame) {
        assert_eq!(text.len() + 1 + rest.len(), frame.len());
        assert!(!text.contains(&0));
    }
    let _ = message::read_error(frame);
    let Some(with) = message::with_internal_query(frame, "select 1") else {
        return;
    };
    let header = Header::read_backend(&with).expect("what we build has a header");
    assert_eq!(header.frame_bytes, with.len());
    assert_eq!(message::error_field(&with, b'q'), Some(&b"select 1"[..]));
    for code in [b'S', b'V', b'C', b'M', b'D', b'H'] {
        assert_eq!(
            message::error_field(&with, code),
            message::error_field(frame, code)
        );
    }
}

/// What is done with one frame.
#[derive(Clone, Copy)]
enum Deed {
    Pass,
    Discard,
    Replace,
    Insert,
}

/// What stands in the place of a replaced frame, and before one that something is inserted before.
const OURS: &[u8] = b"<ours>";

/// Bytes through the relay's buffer, cut into reads anywhere, come out as if they had come in one piece.
fn relay(data: &[u8]) {
    // One byte says how a frame is dealt with, the next how much arrives at once.
    let Some((plan, stream)) = data.split_at_checked(16) else {
        return;
    };
    let deed = |index: usize| match plan[index % 8] % 4 {
        0 => Deed::Pass,
        1 => Deed::Discard,
        2 => Deed::Replace,
        _ => Deed::Insert,
    };
    let mut expected: Vec<u8> = Vec::new();
    let mut rest = stream;
    for index in 0.. {
        let Ok(Some(header)) = Header::read_frontend(rest) else {
            break;
        };
        let here = header.frame_bytes.min(rest.len());
        match deed(index) {
            Deed::Pass => expected.extend(&rest[..here]),
            Deed::Discard => {}
            Deed::Replace if here < header.frame_bytes => break,
            Deed::Replace => expected.extend(OURS),
            Deed::Insert => {
                expected.extend(OURS);
                expected.extend(&rest[..here]);
            }
        }
        rest = &rest[here..];
    }
    let mut pieces = Vec::new();
    let mut rest = stream;
    for index in 0.. {
        if rest.is_empty() {
            break;
        }
        let size = usize::from(plan[8 + index % 8]) * 8 + 1;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    let found = through_buffer(&pieces, deed);
    assert_eq!(found, expected, "cut into {} pieces", pieces.len());
}

thread_local! {
    static SOCKETS: RefCell<Sockets> = RefCell::new(Sockets::open());
}

/// Two socket pairs: one that the buffer reads from, and one that it writes to.
struct Sockets {
    runtime: tokio::runtime::Runtime,
    from: Stream,
    feed: std::os::unix::net::UnixStream,
    to: Stream,
    drain: std::os::unix::net::UnixStream,
}

impl Sockets {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
        let pair = || {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
            ours.set_nonblocking(true).expect("a socket");
            theirs.set_nonblocking(true).expect("a socket");
            let _inside = runtime.enter();
            let ours = tokio::net::UnixStream::from_std(ours).expect("inside a runtime");
            (Stream::Unix(ours), theirs)
        };
        let (from, feed) = pair();
        let (to, drain) = pair();
        Self {
            runtime,
            from,
            feed,
            to,
            drain,
        }
    }
}

fn through_buffer(pieces: &[&[u8]], deed: impl Fn(usize) -> Deed) -> Vec<u8> {
    SOCKETS.with_borrow_mut(|sockets| {
        let Sockets {
            runtime,
            from,
            feed,
            to,
            drain,
        } = sockets;
        let mut buffer = Buffer::default();
        let mut found: Vec<u8> = Vec::new();
        let mut index = 0;
        for piece in pieces {
            feed.write_all(piece).expect("a piece fits");
            let mut wanted = 0;
            let mut left = piece.len();
            while left > 0 {
                let filled = poll_fn(|cx| buffer.poll_fill(cx, from, wanted));
                left -= runtime.block_on(filled).expect("an open socket");
                wanted = scan(&mut buffer, &mut index, &deed);
                runtime
                    .block_on(poll_fn(|cx| buffer.poll_flush(cx, to)))
                    .expect("an open socket");
                let mut out = [0; 64 * 1024];
                loop {
                    match drain.read(&mut out) {
                        Ok(count) => found.extend(&out[..count]),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => panic!("an open socket: {error}"),
                    }
                }
            }
        }
        found
    })
}

/// Looks at every frame that can be dealt with; how many bytes the next one needs.
fn scan(buffer: &mut Buffer, index: &mut usize, deed: impl Fn(usize) -> Deed) -> usize {
    while !buffer.is_mid_frame()
        && let Ok(Some(header)) = Header::read_frontend(buffer.unscanned())
    {
        match deed(*index) {
            Deed::Pass => buffer.pass(header.frame_bytes),
            Deed::Discard => buffer.discard(header.frame_bytes),
            Deed::Replace if buffer.unscanned().len() < header.frame_bytes => {
                return header.frame_bytes;
            }
            Deed::Replace => buffer.replace(header.frame_bytes, OURS),
            Deed::Insert => {
                buffer.insert(OURS);
                buffer.pass(header.frame_bytes);
            }
        }
        *index += 1;
    }
    0
}

/// A message on its way to the model server, with how it will go there.
#[derive(Clone, Copy, Debug)]
struct Planned {
    message: Sent,
    outcome: Outcome,
    /// Not the client's: its answer is not the client's to see.
    ours: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed,
    CopyIn,
}

/// A server as far as the order of its answers goes.
#[derive(Default)]
struct Model {
    skipping: bool,
    copying: Option<Sent>,
}

impl Model {
    fn answer(&mut self, planned: Planned) -> Vec<u8> {
        let Planned {
            message, outcome, ..
        } = planned;
        if let Some(copy) = self.copying {
            if message != Sent::CopyEnd {
                // Sync is ignored; the plan holds nothing else here.
                return Vec::new();
            }
            self.copying = None;
            let end = if outcome == Outcome::Failed {
                self.skipping = copy == Sent::Execute;
                tag::ERROR_RESPONSE
            } else {
                tag::COMMAND_COMPLETE
            };
            return match copy {
                Sent::Query => vec![end, tag::READY_FOR_QUERY],
                _ => vec![end],
            };
        }
        match message {
            Sent::CopyEnd => return Vec::new(),
            Sent::Sync => {
                self.skipping = false;
                return vec![tag::READY_FOR_QUERY];
            }
            _ if self.skipping => return Vec::new(),
            _ => {}
        }
        match (outcome, message) {
            (Outcome::CopyIn, _) => {
                self.copying = Some(message);
                vec![tag::COPY_IN_RESPONSE]
            }
            (Outcome::Failed, Sent::Query) => vec![tag::ERROR_RESPONSE, tag::READY_FOR_QUERY],
            (Outcome::Failed, _) => {
                self.skipping = true;
                vec![tag::ERROR_RESPONSE]
            }
            (Outcome::Done, _) => done(message),
        }
    }
}

fn done(message: Sent) -> Vec<u8> {
    match message {
        Sent::Query => vec![
            tag::ROW_DESCRIPTION,
            tag::DATA_ROW,
            tag::COMMAND_COMPLETE,
            tag::READY_FOR_QUERY,
        ],
        Sent::Parse | Sent::Emit => vec![tag::PARSE_COMPLETE],
        Sent::Bind => vec![tag::BIND_COMPLETE],
        Sent::Describe => vec![tag::PARAMETER_DESCRIPTION, tag::ROW_DESCRIPTION],
        Sent::Execute => vec![tag::DATA_ROW, tag::COMMAND_COMPLETE],
        Sent::Close => vec![tag::CLOSE_COMPLETE],
        Sent::Sync | Sent::CopyEnd => Vec::new(),
    }
}

/// A client whose messages have ours among them sees what it would see without.
fn account(data: &[u8]) {
    let (planned, turns) = plan(data);
    let mut alone = Model::default();
    let expected: Vec<u8> = planned
        .iter()
        .filter(|planned| !planned.ours)
        .flat_map(|planned| alone.answer(*planned))
        .collect();

    let mut exchange: Exchange<usize> = Exchange::default();
    let mut server = Model::default();
    let mut sent = VecDeque::new();
    let mut found = Vec::new();
    let mut lost = vec![false; planned.len()];
    let mut next = 0;
    let mut turns = turns.iter().cycle();
    while next < planned.len() || !sent.is_empty() {
        let is_sending = turns.next().is_none_or(|turn| turn % 2 == 0);
        if next < planned.len() && (is_sending || sent.is_empty()) {
            send(&mut exchange, &mut sent, planned[next], next);
            next += 1;
        } else if let Some(message) = sent.pop_front() {
            for code in server.answer(message) {
                emit_due(&mut exchange, &mut found);
                match exchange.received(code) {
                    Verdict::Pass => found.push(code),
                    Verdict::Drop => {}
                    Verdict::Replace(bytes) => found.extend(&*bytes),
                }
            }
        }
        emit_due(&mut exchange, &mut found);
        for token in exchange.take_lost() {
            assert!(!std::mem::replace(&mut lost[token], true), "lost twice");
        }
    }
    assert_eq!(
        String::from_utf8_lossy(&found),
        String::from_utf8_lossy(&expected),
        "{planned:?}"
    );
    if server.copying.is_none() && !server.skipping {
        assert!(exchange.is_empty(), "{exchange:?} after {planned:?}");
    }
}

/// What a session does with one message: what the server would skip is not sent.
fn send(
    exchange: &mut Exchange<usize>,
    sent: &mut VecDeque<Planned>,
    planned: Planned,
    token: usize,
) {
    if exchange.is_skipping() && planned.message != Sent::Sync {
        return;
    }
    let fate = match (planned.message, planned.ours) {
        (Sent::Emit, _) => Fate::Emit(Box::from([tag::PARSE_COMPLETE])),
        (_, true) => Fate::Swallow,
        (_, false) => Fate::Relay,
    };
    exchange.sent_with(planned.message, fate, token);
    if planned.message != Sent::Emit {
        sent.push_back(planned);
    }
}

fn emit_due(exchange: &mut Exchange<usize>, found: &mut Vec<u8>) {
    while let Some(bytes) = exchange.pop_emit() {
        found.extend(&*bytes);
    }
}

/// Messages as a client may send them: behind a COPY FROM STDIN comes its end, with nothing but Syncs between.
fn plan(data: &[u8]) -> (Vec<Planned>, &[u8]) {
    let (codes, turns) = data.split_at(data.len() / 2);
    let mut planned = Vec::new();
    let mut copying = false;
    for code in codes {
        let message = match code % 10 {
            0 => Sent::Query,
            1 => Sent::Parse,
            2 => Sent::Bind,
            3 => Sent::Describe,
            4 | 5 => Sent::Execute,
            6 => Sent::Close,
            7 => Sent::Sync,
            8 => Sent::Emit,
            _ => Sent::CopyEnd,
        };
        let message = match message {
            Sent::CopyEnd if !copying => continue,
            Sent::Sync => Sent::Sync,
            _ if copying => Sent::CopyEnd,
            message => message,
        };
        let choice = code / 10;
        let ours = choice % 5 == 1 && matches!(message, Sent::Query | Sent::Parse | Sent::Close);
        let outcome = match choice % 8 {
            _ if ours || matches!(message, Sent::Sync | Sent::Emit) => Outcome::Done,
            0 => Outcome::Failed,
            2 if matches!(message, Sent::Query | Sent::Execute) => Outcome::CopyIn,
            _ => Outcome::Done,
        };
        copying = match message {
            Sent::CopyEnd => false,
            Sent::Sync => copying,
            _ => outcome == Outcome::CopyIn,
        };
        planned.push(Planned {
            message,
            outcome,
            ours,
        });
    }
    (planned, turns)
}
