//! A server connection of one client's own: opened for it, in no pool, closed with it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;

use super::cancel::CancelPoint;
use super::lease::LeaseError;
use super::registry::{Pools, address};
use super::settings::UpstreamSettings;
use crate::observe::metrics::Held;
use crate::wire::server::{self, ConnectError, Credentials};
use crate::wire::stream::Stream;

/// A server connection that nobody else ever uses.
#[derive(Debug)]
pub struct Dedicated {
    /// The socket.
    pub stream: Stream,
    /// Every ParameterStatus of its login, in the server's order.
    pub parameters: Vec<(String, String)>,
    /// Every NoticeResponse of its login, whole.
    pub notices: Vec<Bytes>,
    /// Where a cancel of what runs here must go.
    pub cancel_point: Arc<CancelPoint>,
    _counted: Held,
}

impl Pools {
    /// Opens a connection with exactly these startup parameters.
    ///
    /// # Errors
    /// [`LeaseError::Connect`], with the server's own ErrorResponse where it was the server that refused.
    pub async fn dedicated(
        &self,
        upstream: &UpstreamSettings,
        parameters: &[(String, String)],
        credentials: &Credentials,
    ) -> Result<Dedicated, LeaseError> {
        let address = address(&upstream.endpoint());
        let limit = self.settings().server_connect_timeout;
        let connecting = server::connect(&address, parameters, credentials);
        let opened = timeout(limit, connecting).await.unwrap_or_else(|_| {
            Err(ConnectError::Unreachable(format!(
                "no answer within {limit:?}"
            )))
        });
        match opened {
            Ok(server) => {
                self.metrics().server_connects.inc();
                Ok(Dedicated {
                    stream: server.stream,
                    parameters: server.parameters,
                    notices: server.notices,
                    cancel_point: CancelPoint::new(address, server.process_id, server.secret_key),
                    _counted: Held::new(&self.metrics().server_connections),
                })
            }
            Err(error) => {
                self.metrics().server_connects_failed.inc();
                Err(LeaseError::Connect(address, error))
            }
        }
    }
}
