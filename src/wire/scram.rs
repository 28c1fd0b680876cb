//! SCRAM-SHA-256, both sides: checking a client against a stored verifier, and logging in with the keys recovered.
//!
//! A client's proof, checked against the verifier, gives away its ClientKey; with it we can log in to any server that
//! holds the same verifier, without ever knowing the password.
//!
//! # Source
//! RFC 5802 and RFC 7677; PostgreSQL manual, "SASL Authentication"; the verifier's text form is that of `pg_authid`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The mechanism's name.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 18;

/// Salt length and iteration count of PostgreSQL's own verifiers; used for roles that do not exist, so that an
/// outsider cannot tell them from those that do.
const MOCK_SALT_BYTES: usize = 16;
const MOCK_ITERATIONS: u32 = 4096;

type Key = [u8; KEY_BYTES];

/// What is stored of a password: enough to check it, too little to use it.
#[derive(Clone)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
    /// Nobody can pass: the role does not exist or has no such password.
    mock: bool,
}

/// The keys that a login leaves behind: enough to log in elsewhere as the same role while the verifier is the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    client_key: Key,
    server_key: Key,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

/// Why an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramError {
    /// A message that is not SCRAM.
    Malformed,
    /// Channel binding was demanded, which needs TLS.
    ChannelBinding,
    /// The proof or the signature does not fit.
    Mismatch,
}

impl Verifier {
    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("SCRAM-SHA-256$")?;
        let (cost, keys) = rest.split_once('$')?;
        let (iterations, salt) = cost.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        Some(Self {
            iterations: iterations.parse().ok().filter(|&count| count > 0)?,
            salt: BASE64.decode(salt).ok()?,
            stored_key: BASE64.decode(stored_key).ok()?.try_into().ok()?,
            server_key: BASE64.decode(server_key).ok()?.try_into().ok()?,
            mock: false,
        })
    }

    /// A verifier that no password fits, the same for the same role and `secret`.
    #[must_use]
    pub fn mock(role: &str, secret: &[u8; KEY_BYTES]) -> Self {
        let salt = hmac(secret, role.as_bytes());
        Self {
            iterations: MOCK_ITERATIONS,
            salt: salt[..MOCK_SALT_BYTES].to_vec(),
            stored_key: hmac(secret, b"stored"),
            server_key: hmac(secret, b"server"),
            mock: true,
        }
    }
}

/// The server's side of one exchange, between its first and its final message.
pub struct ServerExchange {
    verifier: Verifier,
    gs2_header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl ServerExchange {
    /// Answers the client's first message: the exchange, and AuthenticationSASLContinue's data.
    ///
    /// # Errors
    /// [`ScramError::Malformed`], [`ScramError::ChannelBinding`].
    pub fn start(verifier: Verifier, client_first: &[u8]) -> Result<(Self, String), ScramError> {
        let text = std::str::from_utf8(client_first).map_err(|_| ScramError::Malformed)?;
        let header_end = text
            .match_indices(',')
            .nth(1)
            .map(|(at, _)| at + 1)
            .ok_or(ScramError::Malformed)?;
        let (gs2_header, bare) = text.split_at(header_end);
        match gs2_header.as_bytes().first() {
            Some(b'n' | b'y') => {}
            Some(b'p') => return Err(ScramError::ChannelBinding),
            _ => return Err(ScramError::Malformed),
        }
        let client_nonce = bare
            .split(',')
            .find_map(|field| field.strip_prefix("r="))
            .filter(|nonce| !nonce.is_empty())
            .ok_or(ScramError::Malformed)?;
        let nonce = format!("{client_nonce}{}", random_nonce());
        let server_first = format!(
            "r={nonce},s={},i={}",
            BASE64.encode(&verifier.salt),
            verifier.iterations
        );
        let exchange = Self {
            gs2_header: gs2_header.to_owned(),
            client_first_bare: bare.to_owned(),
            server_first: server_first.clone(),
            nonce,
            verifier,
        };
        Ok((exchange, server_first))
    }

    /// Checks the client's final message: the keys, and AuthenticationSASLFinal's data.
    ///
    /// # Errors
    /// [`ScramError::Malformed`]; [`ScramError::Mismatch`] when the password was another.
    pub fn finish(self, client_final: &[u8]) -> Result<(Keys, String), ScramError> {
        let text = std::str::from_utf8(client_final).map_err(|_| ScramError::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let expected = format!("c={},r={}", BASE64.encode(&self.gs2_header), self.nonce);
        if without_proof != expected {
            return Err(ScramError::Malformed);
        }
        let proof: Key = BASE64
            .decode(proof)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(ScramError::Malformed)?;
        let auth_message = format!(
            "{},{},{without_proof}",
            self.client_first_bare, self.server_first
        );
        let client_key = xor(
            &proof,
            &hmac(&self.verifier.stored_key, auth_message.as_bytes()),
        );
        let matches: bool = Sha256::digest(client_key)
            .as_slice()
            .ct_eq(&self.verifier.stored_key)
            .into();
        if !matches || self.verifier.mock {
            return Err(ScramError::Mismatch);
        }
        let signature = hmac(&self.verifier.server_key, auth_message.as_bytes());
        let keys = Keys {
            client_key,
            server_key: self.verifier.server_key,
        };
        Ok((keys, format!("v={}", BASE64.encode(signature))))
    }
}

/// The client's side of one exchange, with keys in place of a password.
pub struct ClientExchange {
    keys: Keys,
    nonce: String,
    auth_message: String,
}

impl ClientExchange {
    /// Opens an exchange: the state, and the data of SASLInitialResponse.
    #[must_use]
    pub fn start(keys: Keys) -> (Self, String) {
        let nonce = random_nonce();
        let first = format!("n,,n=,r={nonce}");
        let exchange = Self {
            keys,
            nonce,
            auth_message: String::new(),
        };
        (exchange, first)
    }

    /// Answers AuthenticationSASLContinue with the data of SASLResponse.
    ///
    /// # Errors
    /// [`ScramError::Malformed`].
    pub fn proceed(&mut self, server_first: &[u8]) -> Result<String, ScramError> {
        let server_first = std::str::from_utf8(server_first).map_err(|_| ScramError::Malformed)?;
        let nonce = server_first
            .strip_prefix("r=")
            .and_then(|rest| rest.split(',').next())
            .filter(|nonce| nonce.starts_with(&self.nonce))
            .ok_or(ScramError::Malformed)?;
        let without_proof = format!("c=biws,r={nonce}");
        self.auth_message = format!("n=,r={},{server_first},{without_proof}", self.nonce);
        let stored_key: Key = Sha256::digest(self.keys.client_key).into();
        let proof = xor(
            &self.keys.client_key,
            &hmac(&stored_key, self.auth_message.as_bytes()),
        );
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Checks AuthenticationSASLFinal: that the server knows the verifier too.
    ///
    /// # Errors
    /// [`ScramError::Malformed`], [`ScramError::Mismatch`].
    pub fn finish(&self, server_final: &[u8]) -> Result<(), ScramError> {
        let signature = server_final
            .strip_prefix(b"v=")
            .and_then(|text| BASE64.decode(text).ok())
            .ok_or(ScramError::Malformed)?;
        let expected = hmac(&self.keys.server_key, self.auth_message.as_bytes());
        if bool::from(signature.as_slice().ct_eq(&expected)) {
            Ok(())
        } else {
            Err(ScramError::Mismatch)
        }
    }
}

fn hmac(key: &[u8], data: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn xor(left: &Key, right: &Key) -> Key {
    std::array::from_fn(|i| left[i] ^ right[i])
}

fn random_nonce() -> String {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes)
        .expect("the system's random source is always there on our platforms");
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The password "pencil", salt and count of RFC 7677's example.
    fn verifier() -> Verifier {
        let salted = {
            let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
            let mut block = salt.clone();
            block.extend_from_slice(&1u32.to_be_bytes());
            let mut u = hmac(b"pencil", &block);
            let mut sum = u;
            for _ in 1..4096 {
                u = hmac(b"pencil", &u);
                sum = xor(&sum, &u);
            }
            sum
        };
        let client_key = hmac(&salted, b"Client Key");
        let text = format!(
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${}:{}",
            BASE64.encode(Sha256::digest(client_key)),
            BASE64.encode(hmac(&salted, b"Server Key")),
        );
        Verifier::parse(&text).unwrap()
    }

    fn keys() -> Keys {
        // The ClientKey of "pencil" is recovered in a first login that a password-knowing client makes.
        let mut client = postgres_protocol::authentication::sasl::ScramSha256::new(
            b"pencil",
            postgres_protocol::authentication::sasl::ChannelBinding::unsupported(),
        );
        let (exchange, server_first) = ServerExchange::start(verifier(), client.message()).unwrap();
        client.update(server_first.as_bytes()).unwrap();
        let (keys, server_final) = exchange.finish(client.message()).unwrap();
        client.finish(server_final.as_bytes()).unwrap();
        keys
    }

    #[test]
    fn a_password_login_yields_keys_that_log_in_again() {
        let (mut client, first) = ClientExchange::start(keys());
        let (server, server_first) = ServerExchange::start(verifier(), first.as_bytes()).unwrap();
        let client_final = client.proceed(server_first.as_bytes()).unwrap();
        let (again, server_final) = server.finish(client_final.as_bytes()).unwrap();
        client.finish(server_final.as_bytes()).unwrap();
        assert_eq!(again, keys());
    }

    #[test]
    fn a_wrong_password_and_an_unknown_role_both_mismatch() {
        for verifier in [verifier(), Verifier::mock("nobody", &[7; 32])] {
            let mut client = postgres_protocol::authentication::sasl::ScramSha256::new(
                b"pencil case",
                postgres_protocol::authentication::sasl::ChannelBinding::unsupported(),
            );
            let (exchange, server_first) =
                ServerExchange::start(verifier, client.message()).unwrap();
            client.update(server_first.as_bytes()).unwrap();
            assert_eq!(
                exchange.finish(client.message()).err(),
                Some(ScramError::Mismatch)
            );
        }
    }

    #[test]
    fn malformed_messages_are_told_from_wrong_ones() {
        for first in [
            &b""[..],
            b"n,",
            b"n,,",
            b"n,,n=",
            b"n,,n=,r=",
            b"x,,n=,r=a",
            b"\xff",
        ] {
            assert_eq!(
                ServerExchange::start(verifier(), first).err(),
                Some(ScramError::Malformed),
                "{first:?}"
            );
        }
        assert_eq!(
            ServerExchange::start(verifier(), b"p=tls-server-end-point,,n=,r=a").err(),
            Some(ScramError::ChannelBinding)
        );
        for last in [&b""[..], b"c=biws,r=zz,p=AAAA", b"p=", b"\xff,p=x"] {
            let (exchange, _) = ServerExchange::start(verifier(), b"n,,n=,r=a").unwrap();
            assert_eq!(exchange.finish(last).err(), Some(ScramError::Malformed));
        }
    }

    #[test]
    fn verifiers_of_other_kinds_are_not_read() {
        for text in [
            "",
            "md5abc",
            "SCRAM-SHA-256$x:y$z:w",
            "SCRAM-SHA-256$0:AA==$AA==:AA==",
        ] {
            assert!(Verifier::parse(text).is_none(), "{text}");
        }
    }
}
