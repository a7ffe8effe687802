//! JWTs: exactly one algorithm (EdDSA), every claim required, short-lived, times by the server's own clock.
//!
//! The header of an accepted JWT holds `alg`, `kid` and `typ` and nothing else: a token that points at its own
//! key (`jwk`, `jku`, `x5u`, `x5c`) or asks for extensions (`crit`) is refused unread.

use api_types::Timestamp;
use api_types::auth::Role;
use api_types::enrolment::{AGENT_AUDIENCE, AGENT_ISSUER, AGENT_TOKEN_LIFE_S, AgentClaims};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// The issuer of operators' JWTs.
pub const ISSUER: &str = "baton";
/// The audience of operators' JWTs.
pub const AUDIENCE: &str = "baton-api";
/// The type of operators' JWTs (RFC 9068).
pub const TYPE: &str = "at+jwt";
/// How long an operator's JWT lives, in seconds.
pub const LIFE_S: i64 = 600;
/// How far the clock of another machine may be off, in seconds.
pub const LEEWAY_S: i64 = 15;

/// The longest JWT that is looked at, in octets.
const MAX_OCTETS: usize = 4096;

/// What an operator's JWT says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: [`ISSUER`].
    pub iss: String,
    /// Audience: [`AUDIENCE`].
    pub aud: String,
    /// The id of the API token it was given for.
    pub sub: Uuid,
    /// The role of that token.
    pub role: Role,
    /// The name of that token.
    pub name: String,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Not before, seconds since 1970.
    pub nbf: i64,
    /// Expiry, seconds since 1970.
    pub exp: i64,
    /// Names this JWT.
    pub jti: Uuid,
}

/// Why a JWT is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JwtError {
    /// It is no JWT, or its header is not exactly `alg`, `kid` and `typ`.
    #[error("it is no JWT of this server: {0}")]
    Malformed(String),
    /// The algorithm is not EdDSA.
    #[error("the algorithm {0:?} is not accepted; only EdDSA is")]
    Algorithm(String),
    /// The key is not known.
    #[error("it was signed with a key that is not known")]
    UnknownKey,
    /// The signature is not by that key.
    #[error("the signature is wrong")]
    Signature,
    /// Issuer or audience is not ours.
    #[error("it was made for another audience or by another issuer")]
    Audience,
    /// It is not valid yet.
    #[error("it is not valid yet; compare the clocks")]
    NotYet,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It claims to live longer than it may.
    #[error("it claims to live longer than {0} seconds")]
    TooLong(i64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: Uuid,
    #[serde(default)]
    typ: Option<String>,
}

/// The key that the JWT says it was signed with. Nothing is verified yet but the form of the header.
///
/// # Errors
/// [`JwtError`] when the header is not as it must be.
pub fn key_id(token: &str) -> Result<Uuid, JwtError> {
    header(token).map(|header| header.kid)
}

/// Verifies an operator's JWT.
///
/// # Errors
/// [`JwtError`], whatever is wrong with it.
pub fn verify_operator(token: &str, public_key: &[u8; 32], now: Timestamp) -> Result<Claims, JwtError> {
    let rules = Rules { issuer: ISSUER, audience: AUDIENCE, types: &[Some(TYPE)], life_s: LIFE_S };
    let claims: Claims = verify(token, public_key, &rules)?;
    check_times(claims.iat, claims.nbf, claims.exp, LIFE_S, now)?;
    Ok(claims)
}

/// Verifies the JWT of an agent.
///
/// # Errors
/// [`JwtError`], whatever is wrong with it.
pub fn verify_agent(token: &str, public_key: &[u8; 32], now: Timestamp) -> Result<AgentClaims, JwtError> {
    let rules = Rules {
        issuer: AGENT_ISSUER,
        audience: AGENT_AUDIENCE,
        types: &[None, Some("JWT"), Some(TYPE)],
        life_s: AGENT_TOKEN_LIFE_S,
    };
    let claims: AgentClaims = verify(token, public_key, &rules)?;
    check_times(claims.iat, claims.nbf, claims.exp, rules.life_s, now)?;
    Ok(claims)
}

struct Rules {
    issuer: &'static str,
    audience: &'static str,
    types: &'static [Option<&'static str>],
    life_s: i64,
}

fn verify<C: DeserializeOwned>(token: &str, public_key: &[u8; 32], rules: &Rules) -> Result<C, JwtError> {
    let header = header(token)?;
    if !rules.types.contains(&header.typ.as_deref()) {
        return Err(JwtError::Malformed(format!("its type {:?} is not accepted", header.typ)));
    }
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[rules.audience]);
    validation.set_issuer(&[rules.issuer]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    // The library reads the machine's clock; check_times reads ours.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    jsonwebtoken::decode(token, &DecodingKey::from_ed_der(public_key), &validation)
        .map(|data| data.claims)
        .map_err(|error| refusal(&error))
}

fn header(token: &str) -> Result<Header, JwtError> {
    let malformed = |detail: &str| JwtError::Malformed(detail.to_owned());
    if token.len() > MAX_OCTETS {
        return Err(malformed("it is too long"));
    }
    let (encoded, _) = token.split_once('.').ok_or_else(|| malformed("it has no header"))?;
    let octets = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| malformed("its header is not base64url"))?;
    let alg = serde_json::from_slice::<serde_json::Value>(&octets)
        .ok()
        .and_then(|header| Some(header.get("alg")?.as_str()?.to_owned()));
    if let Some(alg) = alg.filter(|alg| alg != "EdDSA") {
        return Err(JwtError::Algorithm(alg));
    }
    let header: Header =
        serde_json::from_slice(&octets).map_err(|error| JwtError::Malformed(format!("header: {error}")))?;
    if header.alg == "EdDSA" { Ok(header) } else { Err(JwtError::Algorithm(header.alg)) }
}

fn refusal(error: &jsonwebtoken::errors::Error) -> JwtError {
    use jsonwebtoken::errors::ErrorKind;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum of the library is open; all else is malformed"
    )]
    match error.kind() {
        ErrorKind::InvalidSignature => JwtError::Signature,
        ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer => JwtError::Audience,
        ErrorKind::ExpiredSignature => JwtError::Expired,
        ErrorKind::ImmatureSignature => JwtError::NotYet,
        _ => JwtError::Malformed(error.to_string()),
    }
}

fn check_times(iat: i64, nbf: i64, exp: i64, life_s: i64, now: Timestamp) -> Result<(), JwtError> {
    let now = now.as_datetime().timestamp();
    let begins = iat.max(nbf);
    if begins > now.saturating_add(LEEWAY_S) {
        return Err(JwtError::NotYet);
    }
    if exp <= now.saturating_sub(LEEWAY_S) {
        return Err(JwtError::Expired);
    }
    if exp.saturating_sub(iat.min(nbf)) > life_s {
        return Err(JwtError::TooLong(life_s));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(seconds, 0).unwrap().into()
    }

    #[test]
    fn times_hold_within_the_leeway_and_no_further() {
        let check = |now| check_times(1000, 1000, 1600, 600, at(now));
        assert_eq!(check(984), Err(JwtError::NotYet));
        assert_eq!(check(985), Ok(()));
        assert_eq!(check(1614), Ok(()));
        assert_eq!(check(1615), Err(JwtError::Expired));
        assert_eq!(check_times(1000, 1000, 1601, 600, at(1000)), Err(JwtError::TooLong(600)));
        assert_eq!(check_times(1000, 900, 1600, 600, at(1000)), Err(JwtError::TooLong(600)));
        assert_eq!(check_times(i64::MIN, 0, i64::MAX, 600, at(1000)), Err(JwtError::TooLong(600)));
    }
}
