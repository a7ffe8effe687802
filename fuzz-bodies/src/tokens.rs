//! What bearers present: join tokens, API tokens, JSON Web Tokens (RFC 7519).

use api_types::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use baton_agent::control::join_token::JoinToken;
use baton_server::auth::{SecretToken, TokenPrefix, jwt};

/// A text as a join token: what the agent takes, the server can read, and both read the same.
///
/// # Panics
/// When a promise is broken.
pub fn join_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let at_server = SecretToken::parse(TokenPrefix::Join, text.trim());
    match text.parse::<JoinToken>() {
        Ok(token) => {
            assert_eq!(token.expose(), text.trim());
            let at_server = at_server.expect("the server knows what an agent presents");
            let written = at_server.join_text(&token.pin().0);
            assert!(written.eq_ignore_ascii_case(token.expose()), "the id alone may be in capitals");
            assert!(!format!("{token:?}").contains(token.expose()));
        }
        Err(error) => assert!(text.len() < 60 || !error.to_string().contains(text)),
    }
}

/// A text as an API token.
///
/// # Panics
/// When a promise is broken.
pub fn api_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(token) = SecretToken::parse(TokenPrefix::Api, text) {
        assert!(TokenPrefix::Api.begins(text));
        assert!(token.api_text().eq_ignore_ascii_case(text));
        assert!(token.matches(&token.secret_sha256()) && !token.matches(&[0; 32]));
    }
    assert!(SecretToken::parse(TokenPrefix::Join, text).is_none() || TokenPrefix::Join.begins(text));
}

/// A text as a JWT, or, divided by line ends, what its parts hold: without the key nobody makes one that is
/// believed.
///
/// # Panics
/// When a promise is broken.
pub fn json_web_token(data: &[u8]) {
    let now = Timestamp::from(chrono::DateTime::UNIX_EPOCH);
    let key = [0x5a; 32];
    let parts: Vec<_> =
        data.split(|octet| *octet == b'\n').map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    let texts = [std::str::from_utf8(data).unwrap_or_default(), &parts.join(".")];
    for text in texts {
        let key_id = jwt::key_id(text);
        assert!(jwt::verify_operator(text, &key, now).is_err());
        let refusal = jwt::verify_agent(text, &key, now).expect_err("nobody has signed it");
        assert!(!refusal.to_string().is_empty());
        assert!(key_id.is_ok() || text.len() < 40 || !refusal.to_string().contains(text));
    }
}
