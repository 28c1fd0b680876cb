//! What a client says before it asks for a session: requests for encryption, and cancels.

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use super::login::{Applicant, Door};
use crate::wire::client;
use crate::wire::message::{self, Severity};
use crate::wire::startup::{self, FirstPacket, FirstPacketError};
use crate::wire::stream::Stream;

impl Door {
    /// Reads first packets until one of them asks for a session; `None` when none does. Cancels are carried out here.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket; a cancel that has set out arrives all the same.
    pub async fn receive(&self, mut stream: Stream) -> Option<Applicant> {
        // Each kind of encryption may be asked for once, in either order.
        let mut refused = Vec::new();
        loop {
            let packet = match startup::read_first_packet(&mut stream).await {
                Ok(packet) => packet,
                Err(error) => {
                    turn_back(&mut stream, error).await;
                    return None;
                }
            };
            match packet {
                FirstPacket::Ssl | FirstPacket::Gss => {
                    let kind = std::mem::discriminant(&packet);
                    if refused.contains(&kind) {
                        let refusal = startup::repeated_request(&packet);
                        client::refuse(&mut stream, &refusal).await;
                        return None;
                    }
                    refused.push(kind);
                    // Who waits for the answer, as everybody should, has sent nothing more.
                    let is_more_there = !matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
                    stream.write_all(b"N").await.ok()?;
                    if is_more_there {
                        let refusal = startup::unencrypted_data(&packet);
                        client::refuse(&mut stream, &refusal).await;
                        return None;
                    }
                }
                FirstPacket::Cancel {
                    process_id,
                    secret_key,
                } => {
                    self.shared.metrics.cancels.inc();
                    self.roster.cancel(process_id, &secret_key).await;
                    return None;
                }
                FirstPacket::Startup(startup) => {
                    if startup.must_be_negotiated() {
                        let mut out = BytesMut::new();
                        message::put_negotiate_protocol_version(
                            &mut out,
                            startup.spoken_minor_version(),
                            &startup.protocol_options,
                        );
                        client::write_all(&mut stream, &mut out).await.ok()?;
                    }
                    if let Err(refusal) = startup.user() {
                        client::refuse(&mut stream, &refusal).await;
                        return None;
                    }
                    return Some(Applicant { stream, startup });
                }
            }
        }
    }
}

/// Answers a first packet that was no use, in as far as PostgreSQL would.
async fn turn_back(stream: &mut Stream, error: FirstPacketError) {
    match error {
        FirstPacketError::Io(_) | FirstPacketError::Unreadable => {}
        FirstPacketError::Refused(refusal) => client::refuse(stream, &refusal).await,
        FirstPacketError::TooOld(refusal) => {
            let mut out = BytesMut::new();
            message::put_error_2_0(&mut out, Severity::Fatal, &refusal);
            client::close_with(stream, &out).await;
        }
    }
}
