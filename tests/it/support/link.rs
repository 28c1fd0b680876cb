//! A wire between the proxy and PostgreSQL that a test can plug in, pull out and cut.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::proxy::free_port;

/// A port that leads to another port while it is plugged in.
pub(crate) struct Link {
    port: u16,
    target: u16,
    plugged: Option<Plugged>,
}

struct Plugged {
    is_over: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    acceptor: JoinHandle<()>,
}

impl Link {
    /// A link to this port on 127.0.0.1, not plugged in: connections are refused.
    pub(crate) fn new(target: u16) -> Self {
        Self {
            port: free_port(),
            target,
            plugged: None,
        }
    }

    /// The port on 127.0.0.1 that leads to the target.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Accepts connections from now on.
    pub(crate) fn plug_in(&mut self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (over, kept, target) = (Arc::clone(&is_over), Arc::clone(&streams), self.target);
        let acceptor = std::thread::spawn(move || {
            for inbound in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(outbound) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
                    continue;
                };
                forward(&inbound, &outbound);
                forward(&outbound, &inbound);
                kept.lock().unwrap().extend([inbound, outbound]);
            }
        });
        self.plugged = Some(Plugged {
            is_over,
            streams,
            acceptor,
        });
    }

    /// Breaks every connection that goes through, and lets new ones through.
    pub(crate) fn cut(&self) {
        let plugged = self.plugged.as_ref().expect("a link that is plugged in");
        for stream in plugged.streams.lock().unwrap().drain(..) {
            // A stream that has ended by itself needs no more.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Breaks every connection, and refuses new ones.
    pub(crate) fn pull_out(&mut self) {
        let Some(plugged) = self.plugged.take() else {
            return;
        };
        plugged.is_over.store(true, Ordering::SeqCst);
        // The acceptor looks at the flag when somebody connects.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        plugged.acceptor.join().unwrap();
        for stream in plugged.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.pull_out();
    }
}

/// Copies in the background until either end closes, which closes the other one.
fn forward(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
