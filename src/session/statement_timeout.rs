//! The session's `statement_timeout`, by which the search for an answer is bounded as the statement that it stands for
//! would be.

use std::time::Duration;

use super::lease::LeaseFailure;
use super::serve::Session;

/// A search that is over sooner is not worth asking the server for the time limit.
pub(super) const GRACE: Duration = Duration::from_millis(20);

/// How long the search for the time limit may wait for a connection.
const CONNECTION_WAIT_MAX: Duration = Duration::from_millis(100);

impl Session {
    /// The time limit that is in force; `None` where there is none, and where it cannot be found out.
    ///
    /// # Errors
    /// The client cancels or leaves meanwhile, or the proxy ends.
    pub(super) async fn statement_timeout(&mut self) -> Result<Option<Duration>, LeaseFailure> {
        let had_server = self.server.is_some();
        if !had_server {
            // Whoever waits here in vain asks without a limit, but for that of the ask itself.
            let taken = tokio::time::timeout(CONNECTION_WAIT_MAX, self.take_lease_for_ask()).await;
            match taken {
                Ok(Ok(())) => {}
                Ok(Err(failure @ (LeaseFailure::Cancelled | LeaseFailure::Gone(_)))) => {
                    return Err(failure);
                }
                Ok(Err(_)) | Err(_) => return Ok(None),
            }
        }
        // SHOW takes no snapshot, which the transaction may not have yet.
        let rows = self.inquire_within("SHOW statement_timeout").await;
        if !had_server && self.is_at_rest() {
            // The model may take its time, and the connection is somebody else's meanwhile.
            let _ = self.end_transaction().await;
        }
        let shown = rows
            .ok()
            .and_then(|rows| rows.into_iter().next()?.into_iter().next()?);
        Ok(shown.and_then(|shown| parse(std::str::from_utf8(&shown).ok()?)))
    }
}

/// Reads a time span as SHOW prints it: a whole number and one unit; 0 is none.
///
/// # Source
/// `convert_int_from_base_unit` and `time_unit_conversion_table` in `src/backend/utils/misc/guc.c`.
fn parse(shown: &str) -> Option<Duration> {
    let digits = shown.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = shown.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_is_read_as_it_is_shown() {
        let cases = [
            ("0", None),
            ("500ms", Some(500)),
            ("2s", Some(2_000)),
            ("90min", Some(5_400_000)),
            ("1h", Some(3_600_000)),
            ("24d", Some(2_073_600_000)),
            ("", None),
            ("soon", None),
        ];
        for (shown, milliseconds) in cases {
            assert_eq!(
                parse(shown),
                milliseconds.map(Duration::from_millis),
                "{shown}"
            );
        }
    }
}
