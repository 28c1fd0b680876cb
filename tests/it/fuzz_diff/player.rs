//! One client's connection, to either side.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::ledger::Ledger;
use super::script::Message;
use crate::support::frames::{self, Frame};

/// How long an answer may take before it counts as none; far above what anything here takes on a loaded machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How much is read at once.
const READ_BYTES: usize = 32 * 1024;

/// A logged-in client.
pub(super) struct Player {
    stream: UnixStream,
    inbox: Vec<u8>,
    pub(super) ledger: Ledger,
    /// The body of BackendKeyData.
    key: Vec<u8>,
    /// Notifications, which come whenever they like: told apart from the answers, in their own order.
    pub(super) notifications: Vec<Frame>,
    is_gone: bool,
}

/// What a server said, as whole frames one after another.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    /// The stream ended, or nothing came for a long time.
    pub(super) farewell: Option<&'static str>,
}

impl Answer {
    pub(super) fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut rest = self.bytes.as_slice();
        while let Some((frame, length)) = first_frame(rest) {
            frames.push(frame);
            rest = &rest[length..];
        }
        frames
    }

    /// One line for each message.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.frames().iter().map(Frame::render).collect();
        lines.extend(self.farewell.map(str::to_owned));
        lines
    }

    /// Equal, but for numbers that two databases cannot share, and for the place in PostgreSQL's sources where a failed
    /// transaction was noticed: a statement that the connection does not have is refused by its Parse, and not by its
    /// Describe.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let lines = |answer: &Self| -> Vec<String> {
            let mut lines = answer.lines();
            for line in &mut lines {
                if line.contains(" C=25P02 ")
                    && let Some(end) = line.find(" F=")
                {
                    line.truncate(end);
                }
            }
            lines
        };
        self == other || lines(self) == lines(other)
    }
}

impl Player {
    /// Logs in without a password; the messages of the login, sorted.
    pub(super) fn login(socket: &Path, user: &str, database: &str) -> (Self, Answer) {
        let stream = UnixStream::connect(socket).expect("the server listens");
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        let mut player = Self {
            stream,
            inbox: Vec::new(),
            ledger: Ledger::new(),
            key: Vec::new(),
            notifications: Vec::new(),
            is_gone: false,
        };
        player.send_bytes(&frames::startup(&[("user", user), ("database", database)]));
        player.ledger.sent(super::ledger::Kind::Query);
        let greeting = player.read();
        // The order of the parameters at login is the server's own business.
        let mut lines: Vec<_> = greeting
            .frames()
            .into_iter()
            .filter(|frame| match frame.tag {
                b'K' => {
                    player.key = frame.body.clone();
                    false
                }
                _ => true,
            })
            .map(|frame| frames::frame(frame.tag, &frame.body))
            .collect();
        lines.sort();
        let answer = Answer {
            bytes: lines.concat(),
            farewell: greeting.farewell,
        };
        (player, answer)
    }

    /// Sends messages in one write.
    pub(super) fn send(&mut self, messages: &[Message]) {
        let mut bytes = Vec::new();
        for message in messages {
            bytes.extend(message.bytes());
            self.ledger.sent(message.kind());
        }
        // What is not answered without it; sent on both sides alike.
        if !matches!(
            messages.last(),
            None | Some(Message::Query(_) | Message::Sync | Message::FunctionCall(..))
        ) {
            bytes.extend(frames::flush());
        }
        self.send_bytes(&bytes);
    }

    /// Sends what is no whole message, or whose answer nobody will read.
    pub(super) fn send_bytes(&mut self, bytes: &[u8]) {
        if self.stream.write_all(bytes).is_err() {
            self.is_gone = true;
        }
    }

    /// Reads until all that was sent is answered.
    pub(super) fn read(&mut self) -> Answer {
        let mut answer = Answer::default();
        loop {
            self.take_frames(&mut answer);
            if self.ledger.is_settled() && self.inbox.is_empty() {
                return answer;
            }
            if let Err(farewell) = self.fill() {
                answer.farewell = Some(farewell);
                self.is_gone = true;
                return answer;
            }
        }
    }

    /// Adds what comes within `timeout` to an answer; whether that is all of it. A warning may come long before the rest.
    pub(super) fn read_within(&mut self, timeout: Duration, answer: &mut Answer) -> bool {
        self.stream.set_read_timeout(Some(timeout)).unwrap();
        let is_whole = loop {
            self.take_frames(answer);
            if self.ledger.is_settled() && self.inbox.is_empty() {
                break true;
            }
            if self.fill().is_err() {
                break false;
            }
        };
        self.stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        is_whole
    }

    /// Sends a CancelRequest on a connection of its own, and waits until it was carried out.
    pub(super) fn cancel(&self, socket: &Path) {
        let mut stream = UnixStream::connect(socket).expect("the server listens");
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        stream
            .write_all(&frames::cancel_request(&self.key))
            .unwrap();
        let _ = stream.read(&mut [0]);
    }

    /// Puts the whole frames of the inbox into the answer.
    fn take_frames(&mut self, answer: &mut Answer) {
        let mut taken = 0;
        while let Some((tag, length)) = header(&self.inbox[taken..]) {
            let frame = &self.inbox[taken..taken + length];
            taken += length;
            if tag == b'A' {
                self.notifications.push(Frame {
                    tag,
                    body: frame[5..].to_vec(),
                });
                continue;
            }
            self.ledger.received(tag, &frame[5..]);
            answer.bytes.extend(frame);
        }
        self.inbox.drain(..taken);
    }

    fn fill(&mut self) -> Result<(), &'static str> {
        if self.is_gone {
            return Err("(the stream has ended)");
        }
        let start = self.inbox.len();
        self.inbox.resize(start + READ_BYTES, 0);
        let read = self.stream.read(&mut self.inbox[start..]);
        self.inbox.truncate(start + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err("(the stream ends here)"),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                Err("(the stream ends here)")
            }
            Err(_) => Err("(nothing comes any more)"),
        }
    }
}

/// Tag and length of the first frame, if it is whole.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let length = bytes.get(1..5)?;
    let length = 1 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
    (bytes.len() >= length).then_some((bytes[0], length))
}

fn first_frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (tag, length) = header(bytes)?;
    let body = bytes[5..length].to_vec();
    Some((Frame { tag, body }, length))
}
